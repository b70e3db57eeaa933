// The proof that a request comes from our functions, for tests that act in their place.
import { createHash, createHmac } from "node:crypto";

/** Derives the proof and its hash as crates/supabase does. @param {string} serviceRoleKey */
export function functionProof(serviceRoleKey) {
  const proof = createHmac("sha256", serviceRoleKey).update("whatsapp-crm functions 1").digest("hex");
  return { proof, proof_hash: createHash("sha256").update(proof).digest("hex") };
}
