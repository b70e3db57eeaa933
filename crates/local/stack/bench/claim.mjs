export async function claim() { return []; }
