// Accepts invitations. Lite does not support them, but it confirms the address of a sign-up with the same token in the
// same way.

/**
 * @param {string} method @param {URL} url @param {Buffer} body
 * @returns {{ url: URL, body: Buffer, location: (address: string) => string } | null} the request for Lite, and a function that corrects its redirection; null if it is not an invitation
 */
export function acceptedInvitation(method, url, body) {
  if (url.pathname !== "/auth/v1/verify") return null;
  if (method === "GET") {
    if (url.searchParams.get("type") !== "invite") return null;
    const asked = new URL(url);
    asked.searchParams.set("type", "signup");
    return { url: asked, body, location: (address) => address.replace(/([#&])type=signup(?=&|$)/, "$1type=invite") };
  }
  try {
    const given = JSON.parse(body.toString("utf8"));
    if (given?.type !== "invite") return null;
    return { url, body: Buffer.from(JSON.stringify({ ...given, type: "signup" })), location: (address) => address };
  } catch {
    return null;
  }
}
