import type { Model } from "../core/model.ts";

/** The same model, whose requests stay on the KV slot of `role`, where the server has several and the request names none. */
export function keepSlot(model: Model, role: string): Model {
  const acquireSlot = model.acquireSlot?.bind(model);
  if (acquireSlot === undefined) return model;
  return {
    get id() {
      return model.id;
    },
    describe: (options) => model.describe(options),
    async *stream(request, options) {
      const slot = request.slot ?? (await acquireSlot(role, options));
      yield* model.stream(slot === undefined ? request : { ...request, slot }, options);
    },
    acquireSlot,
  };
}
