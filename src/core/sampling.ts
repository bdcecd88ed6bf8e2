/** What is asked of a server so that a model that is stuck says something else. */

const USUAL_TEMPERATURE = 0.7;
const RAISE = 0.3;
const MAX_TEMPERATURE = 1.2;

/** A warmer temperature than this one, within what models still talk sense at. `base` absent: whatever the server takes by itself. */
export function raiseTemperature(base: number | undefined): number {
  const from = base ?? USUAL_TEMPERATURE;
  const raised = Math.min(MAX_TEMPERATURE, Math.max(USUAL_TEMPERATURE, from + RAISE));
  return Math.max(from, Math.round(raised * 100) / 100);
}
