import { ApiFailure, toApiError } from "../http/errors.ts";

/** 400 that names the field. */
export function refuse(message: string, param: string, code?: string): ApiFailure {
  return new ApiFailure(toApiError(400, message, { param, ...(code === undefined ? {} : { code }) }));
}
