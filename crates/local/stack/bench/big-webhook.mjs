export async function bigWebhook() { return []; }
