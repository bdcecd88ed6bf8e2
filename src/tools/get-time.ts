import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;

export function createGetTimeTool({ now }: { now: () => Date }): Tool {
  return defineTool({
    name: "get_time",
    description: "Local date and time",
    parameters: z.object({}),
    access: "control",
    execute: async () => ({ ok: true, ...toLocalTime(now()) }),
  });
}

function toLocalTime(time: Date): { output: string; weekday: string; utc_offset: string } {
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  const minutesEast = -time.getTimezoneOffset();
  const away = Math.abs(minutesEast);
  return {
    output: `${date} ${two(time.getHours())}:${two(time.getMinutes())}`,
    weekday: WEEKDAYS[time.getDay()]!,
    utc_offset: `${minutesEast < 0 ? "-" : "+"}${two(Math.floor(away / 60))}:${two(away % 60)}`,
  };
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
