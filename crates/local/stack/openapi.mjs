// `npm run openapi`: writes the document of the API, which the function of /api/openapi.json serves.
import { writeFileSync } from "node:fs";
import { prepare } from "./launch/prepare.mjs";
import { DOCUMENT_FILE, documentText } from "./openapi/document.mjs";
import { ROOT } from "./stack.mjs";

await prepare(ROOT);
writeFileSync(DOCUMENT_FILE, documentText());
