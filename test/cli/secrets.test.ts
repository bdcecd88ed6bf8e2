import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { knownSecrets } from "../../src/cli/secrets.ts";
import { createRedactor } from "../../src/core/redact.ts";

let home: string;
beforeEach(() => (home = mkdtempSync(join(tmpdir(), "secrets-"))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const of = (env: Record<string, string>): string[] => knownSecrets({ home }, env);

describe("known secrets", () => {
  it("begin with the API key in force, and hold those of the settings folder", () => {
    writeFileSync(
      join(home, ".env"),
      "LLM_API_KEY=sk-from-file-1\nLLM_MODEL=qwen3-8b\nSOME_TOKEN='t0ken-in-file'\n",
    );
    const secrets = knownSecrets({ home, apiKey: "sk-in-force" }, { OTHER_SECRET: "s3cret-in-env" });
    expect(secrets).toEqual(["sk-in-force", "sk-from-file-1", "t0ken-in-file", "s3cret-in-env"]);
  });

  it.each([
    ["OPENAI_API_KEY", "sk-proj-abc123"],
    ["openaiApiKey", "sk-proj-abc123"],
    ["GITHUB_TOKEN", "ghp_16C7e42F292c6912E7"],
    ["HF_TOKEN", "hf_abcdefGHIJ"],
    ["AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"],
    ["AWS_SECRET_ACCESS_KEY", "/JalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
    ["AWS_SESSION_TOKEN", "FwoGZXIvYXdzEJr"],
    ["DB_PASS", "correct-horse"],
    ["MYSQL_PWD", "hunter2!"],
    ["SECRET_KEY_BASE", "0f3c5e77a9"],
    ["STRIPE_SECRET_OLD", "rk_live_1"],
    ["NPM_AUTH", "bm90LXBsYWlu"],
    ["SESSION_COOKIE", "connect.sid=abc1"],
  ])("are found by the name %s", (name, value) => {
    expect(of({ [name]: value })).toContain(value);
  });

  it.each([
    ["SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1"],
    ["GOOGLE_APPLICATION_CREDENTIALS", "/home/you/key.json"],
    ["PRIVATE_KEY_PATH", "keys/private1.pem"],
    ["PWD", "/home/you/project-1"],
    ["MAX_TOKENS", "128000"],
    ["TOKENIZERS_PARALLELISM", "enabled-1"],
    ["USE_TOKEN", "true"],
    ["SORT_KEY", "created_at"],
    ["PRIMARY_KEY", "identifier"],
    ["AWS_REGION", "eu-central-1"],
    ["EDITOR", "vim-9000-x"],
    ["PASSWORD", "geheim"],
    ["HOME_URL", "https://example.com/a?page=123456"],
  ])("are not made of %s=%s", (name, value) => {
    expect(of({ [name]: value })).toEqual([]);
  });

  it("are found inside addresses, whatever the variable is called", () => {
    expect(of({ DATABASE_URL: "postgres://app:p%40ss-w0rd@db:5432/app" })).toEqual([
      "p%40ss-w0rd",
      "p@ss-w0rd",
    ]);
    expect(of({ HTTPS_PROXY: "http://me:tops3cret@proxy:8080" })).toEqual(["tops3cret"]);
    expect(of({ REMOTE: "https://ghp_16C7e42F292c6912E7@github.com/a/b" })).toEqual([
      "ghp_16C7e42F292c6912E7",
    ]);
    expect(of({ BLOB: "https://x.blob/a?sp=r&sig=aB%2Bc12345&api_key=zzz-111" })).toEqual([
      "aB%2Bc12345",
      "aB+c12345",
      "zzz-111",
    ]);
  });

  it("are taken from lists, pairs and JSON", () => {
    expect(of({ API_KEYS: "key-one-1,key-two-2" })).toEqual([
      "key-one-1,key-two-2",
      "key-one-1",
      "key-two-2",
    ]);
    expect(of({ BASIC_AUTH: "admin:s3cr3t-x" })).toEqual(["admin:s3cr3t-x", "s3cr3t-x"]);
    const json = JSON.stringify({
      type: "service_account",
      client_email: "a@b.iam",
      private_key: "-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0\n",
    });
    expect(of({ GCP_CREDENTIALS: json })).toEqual(["-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0\n"]);
  });

  it("leave ordinary output alone", () => {
    const redactor = createRedactor(
      of({ PATH: "/usr/bin:/bin", LANG: "C.UTF-8", TERM: "xterm-256color", KEY: "enter", API_KEY: "ollama" }),
    );
    const text = "PATH=/usr/bin:/bin LANG=C.UTF-8 xterm-256color enter ollama";
    expect(redactor.text(text)).toBe(text);
  });
});
