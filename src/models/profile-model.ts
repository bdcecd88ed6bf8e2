import type { Model, ModelInfo, ModelRequest } from "../core/model.ts";

/**
 * The same model with a profile of its own: `describe` answers what `apply` makes of the server's answer, each time anew, so
 * that what is learned in between counts from the next run on. A server that is known to force no call is not asked to.
 */
export function withProfile(model: Model, apply: (info: ModelInfo) => ModelInfo): Model {
  let info: ModelInfo | undefined;
  return {
    get id() {
      return model.id;
    },
    async describe(options) {
      info = apply(await model.describe(options));
      return info;
    },
    stream: (request, options) => model.stream(toAllowed(request, info), options),
    ...(model.acquireSlot ? { acquireSlot: model.acquireSlot.bind(model) } : {}),
  };
}

function toAllowed(request: ModelRequest, info: ModelInfo | undefined): ModelRequest {
  if (request.toolChoice !== "required" || info?.profile.probe?.forcedCalls !== "none") return request;
  const { toolChoice: _refused, ...rest } = request;
  return rest;
}
