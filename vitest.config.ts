import { configDefaults, defineConfig } from "vitest/config";

/** Tests of one thing in one process, which do not mind what else the machine does. */
const ALONE = [
  "test/{core,models,permissions,portable,sessions,testing,workspace}/**/*.test.ts",
  "test/tui/**/!(*-tmux).test.ts",
];
/** They look at files or processes that others could move meanwhile. */
const DELICATE = ["test/workspace/race.test.ts", "test/sessions/killed-writer.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: "alone",
          include: ALONE,
          exclude: [...configDefaults.exclude, ...DELICATE],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "real",
          include: ["test/**/*.test.ts"],
          exclude: [
            ...configDefaults.exclude,
            "test/{core,models,permissions,portable,testing}/**",
            "test/sessions/!(killed-writer).test.ts",
            "test/workspace/!(race).test.ts",
            "test/tui/**/!(*-tmux).test.ts",
          ],
          globalSetup: ["test/_build.ts"],
          // Tests run real processes and a real model; on the two cores this project is built for, one file at a time keeps them honest.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
