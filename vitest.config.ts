import { configDefaults, defineConfig } from "vitest/config";

/**
 * Run one at a time, after the others: they fill the machine themselves, drive a terminal as fast as a user does, look at files or
 * processes that others could move meanwhile, or kill what should end in time.
 */
const ALONE = [
  "test/e2e/{kill,leftovers,plan-undo-screen,sandbox-command,screen,steering}.test.ts",
  "test/engine/containers.test.ts",
  "test/sandbox/**/*.test.ts",
  "test/server/{daemon,lifecycle}.test.ts",
  "test/sessions/killed-writer.test.ts",
  "test/tui/**/*-tmux.test.ts",
  "test/workspace/race.test.ts",
];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: "quiet",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...ALONE],
          globalSetup: ["test/_build.ts"],
          // One more than the cores that this project is built for: at any moment one waits for a process or a limit of time.
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "real",
          include: ALONE,
          globalSetup: ["test/_build.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
