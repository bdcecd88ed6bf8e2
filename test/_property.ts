/**
 * fast-check with the same random cases in every run, so that a suite that passed passes again. `LMAGENT_PROPERTY_SEED=NUMBER`
 * draws others; `LMAGENT_PROPERTY_SEED=random` draws others each time, to hunt for bugs.
 */
import { configureGlobal } from "fast-check";

const wanted = process.env["LMAGENT_PROPERTY_SEED"] ?? "20261122";
if (wanted !== "random") configureGlobal({ seed: Number(wanted) });

export * from "fast-check";
