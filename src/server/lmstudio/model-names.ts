/** What LM Studio's clients call a model: its key, `publisher/repo`, either with `@` and a quantization behind it. */
import { findServed, requireServed } from "../find-served.ts";
import type { ServedModel } from "../find-served.ts";
import type { Services } from "../services.ts";

/** Throws `ApiFailure` (404) where there is no such model, or none of this quantization. */
export async function requireModel(services: Services, name: string): Promise<ServedModel> {
  const exact = await findServed(services, [name]);
  if (exact !== undefined) return exact;
  const at = name.lastIndexOf("@");
  const other = at > 0 ? await findServed(services, [name.slice(0, at)]) : undefined;
  const wanted = name.slice(at + 1).toLowerCase();
  if (other !== undefined && other.entry.quantization?.toLowerCase() === wanted) return other;
  return requireServed(services, name, []);
}
