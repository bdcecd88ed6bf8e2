import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { readText } from "./read-reply.ts";

describe("values in XML", () => {
  it("keep their lines, quotes and tags", () => {
    const content = "def f():\n    return \"<b>\" + 'x'\n";
    const { calls } = readText(
      `<function=write>\n<parameter=path>\na.py\n</parameter>\n<parameter=content>\n${content}\n</parameter>\n</function>`,
    );
    expect(calls).toMatchObject([{ arguments: { path: "a.py", content } }]);
  });

  const write = (content: string) =>
    `<function=write>\n<parameter=path>\npom.xml\n</parameter>\n<parameter=content>\n${content}\n</parameter>\n</function>`;

  it.each([
    ["tags of the same name", "<plugin>\n  <parameter>a</parameter>\n</plugin>"],
    ["such a tag at the start of a line", "<plugin>\n<parameter>\na\n</parameter>\n</plugin>"],
    ["a parameter with a name", "<plugin>\n<parameter=path>\na\n</parameter>\n</plugin>"],
    ["a closing tag alone", "Close it with </parameter> and go on."],
    ["an opening tag alone", "grep '<parameter>' a.xml"],
    ["a function", '<js>\n<function name="f">\nx\n</function>\n</js>'],
    ["the end of a function", "a\n</function>\nb"],
    ["a whole call", "Write:\n<function=read>\n<parameter=path>\na\n</parameter>\n</function>\nand wait."],
  ])("hold %s", (_name, content) => {
    for (const size of [1000, 1, 5]) {
      expect(readText(`${write(content)}\n${write("b")}`, { size })).toMatchObject({
        text: "",
        calls: [
          { arguments: { path: "pom.xml", content } },
          { arguments: { path: "pom.xml", content: "b" } },
        ],
      });
    }
    expect(readText(`<tool_call>\n${write(content)}\n</tool_call>`).calls).toMatchObject([
      { arguments: { path: "pom.xml", content } },
    ]);
  });

  it.each([
    ["text follows the value", write("a").replace("</function>", "so\n</function>")],
    ["text follows instead of the end", write("a").replace("</function>", "is what I write")],
    ["an end inside is like the real one", write("a\n</parameter>\n</function>\nb")],
    ["a parameter comes twice", write("a\n</parameter>\n<parameter=path>\nb")],
  ])("run nothing when %s", (_name, text) => {
    for (const call of readText(text).calls) {
      expect(call).toMatchObject({ arguments: undefined, problem: expect.stringMatching(/\w/) });
    }
  });

  it.each([
    "<arg_value>v</arg_value>",
    "a </arg_value> b",
    "a</arg_value>\n</tool_call>\nb",
    "a</arg_value><arg_key>path</arg_key><arg_value>b",
  ])("of GLM run nothing when they hold their own end: %s", (content) => {
    const text = `<tool_call>write\n<arg_key>path</arg_key>\n<arg_value>a</arg_value>\n<arg_key>content</arg_key>\n<arg_value>${content}</arg_value>\n</tool_call>`;
    expect(readText(text)).toMatchObject({
      text: expect.not.stringContaining("v</arg_value>"),
      calls: [{ name: "write", arguments: undefined, problem: expect.stringMatching(/not clear/) }],
    });
  });

  it("may lack an end before the next one", () => {
    const text = write("a").replace("pom.xml\n</parameter>", "pom.xml");
    expect(readText(text).calls).toMatchObject([{ arguments: { path: "pom.xml", content: "a" } }]);
  });

  it("become what the schema says", () => {
    const { calls } = readText(
      "<function=read><parameter=path>12</parameter><parameter=offset>12</parameter></function>\n<function=edit><parameter=path>a</parameter><parameter=old>true</parameter><parameter=new>x</parameter><parameter=all>True</parameter></function>",
    );
    expect(calls).toMatchObject([
      { arguments: { path: "12", offset: 12 } },
      { arguments: { old: "true", all: true } },
    ]);
  });

  it("are whole or the call has a problem, whatever tags they hold", () => {
    const part = fc.constantFrom(
      "<parameter>",
      "</parameter>",
      "<parameter=path>",
      "<parameter=content>",
      "</function>",
      "</tool_call>",
      "\n",
      " a ",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const content = parts.join("");
        for (const call of readText(`<tool_call>\n${write(content)}\n</tool_call>`).calls) {
          if (call.arguments) expect(call.arguments).toEqual({ path: "pom.xml", content });
          else expect(call.problem).toMatch(/\w/);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
