import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { client, projectConfig, signedIn, startProject, superuser, temporaryFolder } from "./test-project.mjs";

/** @type {Awaited<ReturnType<typeof startProject>>} */
let project;
/** @type {ReturnType<typeof temporaryFolder>} */
let place;

before(async () => {
  place = temporaryFolder();
  project = await startProject(await projectConfig(place.folder));
  const sql = superuser(project.config);
  // A project's migration creates buckets in the same way.
  await sql.unsafe(`
    insert into storage.buckets (id, name, public) values ('open', 'open', true), ('closed', 'closed', false);
    create policy "own folder" on storage.objects to authenticated
      using (bucket_id = 'closed' and (storage.foldername(name))[1] = (select auth.uid())::text)
      with check (bucket_id = 'closed' and (storage.foldername(name))[1] = (select auth.uid())::text);`);
  await sql.end();
});
after(async () => {
  await project?.stop();
  place?.remove();
});

const content = randomBytes(300_000);

test("files uploaded by the service can be downloaded publicly and by signed address", async () => {
  const storage = client(project, project.config.service_role_key).storage;
  const uploaded = await storage.from("closed").upload("docs/a file.bin", content, { contentType: "image/png" });
  assert.equal(uploaded.error, null);
  const downloaded = await storage.from("closed").download("docs/a file.bin");
  assert.ok(content.equals(Buffer.from(await /** @type {Blob} */ (downloaded.data).arrayBuffer())));

  const signed = await storage.from("closed").createSignedUrl("docs/a file.bin", 60);
  assert.equal(signed.error, null);
  const fetched = await fetch(signed.data?.signedUrl ?? "");
  assert.equal(fetched.headers.get("content-type"), "image/png");
  assert.ok(content.equals(Buffer.from(await fetched.arrayBuffer())));
  const several = await storage.from("closed").createSignedUrls(["docs/a file.bin"], 60);
  assert.equal((await fetch(several.data?.[0].signedUrl ?? "")).status, 200);

  assert.equal((await storage.from("open").upload("b.txt", "hello", { contentType: "text/plain" })).error, null);
  const open = await fetch(storage.from("open").getPublicUrl("b.txt").data.publicUrl);
  assert.equal(await open.text(), "hello");
});

test("a file can be uploaded by a signed address", async () => {
  const storage = client(project, project.config.service_role_key).storage.from("closed");
  const { data, error } = await storage.createSignedUploadUrl("up.txt");
  assert.equal(error, null);
  const stranger = client(project, project.config.anon_key).storage.from("closed");
  assert.equal((await stranger.uploadToSignedUrl("up.txt", data?.token ?? "", "by ticket")).error, null);
  assert.equal(await (await storage.download("up.txt")).data?.text(), "by ticket");
});

/** The code of Storage's refusal. @param {{ error: any }} answer */
const refusal = ({ error }) => ({ status: error.status, code: error.statusCode, message: error.message });

test("policies control access to a user's files", async () => {
  const [ada, ben] = [await signedIn(project, "ada"), await signedIn(project, "ben")];
  const mine = `${ada.id}/mine.txt`;
  assert.equal((await ada.supabase.storage.from("closed").upload(mine, "secret")).error, null);
  const theirs = await ben.supabase.storage.from("closed").upload(`${ada.id}/theirs.txt`, "x");
  assert.deepEqual(refusal(theirs), {
    status: 400,
    code: "403",
    message: "new row violates row-level security policy",
  });
  assert.deepEqual(refusal(await ben.supabase.storage.from("closed").download(mine)), {
    status: 400,
    code: "404",
    message: "Object not found",
  });
  assert.deepEqual((await ben.supabase.storage.from("closed").list(ada.id)).data, []);
  assert.equal(await (await ada.supabase.storage.from("closed").download(mine)).data?.text(), "secret");
  assert.equal((await ada.supabase.storage.from("closed").remove([mine])).error, null);
  assert.deepEqual(refusal(await ada.supabase.storage.from("closed").download(mine)), {
    status: 400,
    code: "404",
    message: "Object not found",
  });
});
