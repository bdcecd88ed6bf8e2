import { configDefaults, defineConfig } from "vitest/config";

/** They look at files or processes that others could move meanwhile. */
const DELICATE = ["test/workspace/race.test.ts", "test/sessions/killed-writer.test.ts"];
/** Tests of one thing at a time, which do not mind what else the machine does. */
const QUIET = [
  "test/{cli,core,models,permissions,portable,sessions,testing,tools,workspace}/**/*.test.ts",
  "test/tui/**/!(*-tmux).test.ts",
];
/** Runs of the command line that wait for nothing but its end. */
const ONE_SHOT = [
  "test/e2e/{bad-input,batch-job,custom-tools,hidden-characters,overflow,permissions,quirks,recording,resume,small-window,trust,undo}.test.ts",
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
          include: [...QUIET, ...ONE_SHOT],
          exclude: [...configDefaults.exclude, ...DELICATE],
          globalSetup: ["test/_build.ts"],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "real",
          include: ["test/{e2e,engine,sandbox,sdk,server,tui}/**/*.test.ts", ...DELICATE],
          exclude: [...configDefaults.exclude, ...ONE_SHOT, "test/tui/**/!(*-tmux).test.ts"],
          globalSetup: ["test/_build.ts"],
          // Tests run real processes and a real model; on the two cores this project is built for, one file at a time keeps them honest.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
