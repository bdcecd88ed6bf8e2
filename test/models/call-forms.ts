export const TOUCH = { command: "touch ran_a" };
export const CALL = JSON.stringify({ name: "shell", arguments: TOUCH });

/** Every form, each saying `shell {"command": "touch ran_a"}`. */
export const FORMS: Record<string, string> = {
  Hermes: `<tool_call>\n${CALL}\n</tool_call>`,
  "Hermes on one line": `<tool_call>${CALL}</tool_call>`,
  "Hermes without its closing tag": `<tool_call>\n${CALL}`,
  "Hermes closed by an end-of-turn token": `<tool_call>\n${CALL}<|im_end|>`,
  "Hermes with `parameters`": `<tool_call>{"name": "shell", "parameters": ${JSON.stringify(TOUCH)}}</tool_call>`,
  "Hermes with arguments as a string": `<tool_call>${JSON.stringify({ name: "shell", arguments: JSON.stringify(TOUCH) })}</tool_call>`,
  "Hermes with an OpenAI call inside": `<tool_call>${JSON.stringify({ type: "function", function: { name: "shell", arguments: TOUCH } })}</tool_call>`,
  "Hermes with flat parameters": `<tool_call>{"name": "shell", "command": "touch ran_a"}</tool_call>`,
  "Hermes with a list": `<tool_call>[${CALL}]</tool_call>`,
  "Hermes with broken JSON": `<tool_call>{'name': 'shell', 'arguments': {'command': 'touch ran_a',},}</tool_call>`,
  "Hermes with a missing brace": `<tool_call>{"name": "shell", "arguments": {"command": "touch ran_a"}</tool_call>`,
  "Hermes with a fence inside": `<tool_call>\n\`\`\`json\n${CALL}\n\`\`\`\n</tool_call>`,
  "function_call tag": `<function_call>${CALL}</function_call>`,
  "Hermes with the name in front": `<tool_call>shell\n${JSON.stringify(TOUCH)}\n</tool_call>`,
  "Hermes with the name as the key": `<tool_call>{"shell": ${JSON.stringify(TOUCH)}}</tool_call>`,
  "Hermes with half a closing tag": `<tool_call>\n${CALL}\n</tool_ca`,
  "Hermes with the frames of its template": `<|im_start|>assistant\n<tool_call>${CALL}</tool_call><|im_end|>`,
  "the tools tag of Qwen 2.5": `<tools>\n${CALL}\n</tools>`,
  "fenced JSON with a lost tag": `\`\`\`json\n${CALL}\n\`\`\`\n</tool_call>`,
  "bare JSON with a lost tag": `${CALL}\n</tool_call>`,
  "a bare list of calls in Python": '[shell(command="touch ran_a")]',
  "Qwen XML":
    "<tool_call>\n<function=shell>\n<parameter=command>\ntouch ran_a\n</parameter>\n</function>\n</tool_call>",
  "Qwen XML without the outer tag":
    "<function=shell>\n<parameter=command>\ntouch ran_a\n</parameter>\n</function>",
  "Qwen XML on one line": "<function=shell><parameter=command>touch ran_a</parameter></function>",
  "Qwen XML without the end of a parameter":
    "<function=shell>\n<parameter=command>\ntouch ran_a\n</function>\n</tool_call>",
  MiniMax:
    '<minimax:tool_call>\n<invoke name="shell">\n<parameter name="command">touch ran_a</parameter>\n</invoke>\n</minimax:tool_call>',
  "Claude's tags":
    '<function_calls>\n<invoke name="shell">\n<parameter name="command">touch ran_a</parameter>\n</invoke>\n</function_calls>',
  "Claude's tags without the outer one":
    '<invoke name="shell"><parameter name="command">touch ran_a</parameter></invoke>',
  "Llama's function tag": `<function=shell>${JSON.stringify(TOUCH)}</function>`,
  "fenced JSON": `\`\`\`json\n${CALL}\n\`\`\``,
  "fenced JSON without a language": `\`\`\`\n${CALL}\n\`\`\``,
  "fenced tool_call": `\`\`\`tool_call\n${CALL}\n\`\`\``,
  "fenced JSON without its end": `\`\`\`json\n${CALL}`,
  "fenced JSON on one line": `\`\`\`json ${CALL}\`\`\``,
  "fenced Hermes": `\`\`\`xml\n<tool_call>${CALL}</tool_call>\n\`\`\``,
  "announced fenced JSON": `I'll create the file now:\n\n\`\`\`json\n${CALL}\n\`\`\`\n`,
  "announced JSON without a fence": `I'll create the file now:\n\n${CALL}\n`,
  "bare JSON": CALL,
  "bare JSON with white space": `\n  ${JSON.stringify({ name: "shell", parameters: TOUCH }, null, 2)}\n`,
  "bare JSON of Llama": JSON.stringify({ type: "function", name: "shell", parameters: TOUCH }),
  "bare JSON of OpenAI": JSON.stringify({
    tool_calls: [
      { id: "1", type: "function", function: { name: "shell", arguments: JSON.stringify(TOUCH) } },
    ],
  }),
  "Mistral's list": `[TOOL_CALLS][${CALL}]`,
  "Mistral's list with a space": `[TOOL_CALLS] [${CALL}]</s>`,
  "Mistral's name and arguments": `[TOOL_CALLS]shell${JSON.stringify(TOUCH)}`,
  "Mistral with [ARGS]": `[TOOL_CALLS]shell[CALL_ID]abc123def[ARGS]${JSON.stringify(TOUCH)}`,
  "Llama's python tag": `<|python_tag|>${JSON.stringify({ type: "function", name: "shell", parameters: TOUCH })}<|eom_id|>`,
  "DeepSeek V3": `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>shell\n\`\`\`json\n${JSON.stringify(TOUCH)}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  "DeepSeek V3.1": `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>shell<｜tool▁sep｜>${JSON.stringify(TOUCH)}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  GLM: "<tool_call>shell\n<arg_key>command</arg_key>\n<arg_value>touch ran_a</arg_value>\n</tool_call>",
  "GLM on one line":
    "<tool_call>shell<arg_key>command</arg_key><arg_value>touch ran_a</arg_value></tool_call>",
  Kimi: `<|tool_calls_section_begin|><|tool_call_begin|>functions.shell:0<|tool_call_argument_begin|>${JSON.stringify(TOUCH)}<|tool_call_end|><|tool_calls_section_end|>`,
  Harmony: `<|channel|>commentary to=functions.shell <|constrain|>json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "Harmony with its role": `<|start|>assistant<|channel|>commentary to=functions.shell json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "Harmony with the recipient first": `<|start|>assistant to=functions.shell<|channel|>commentary json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "Harmony after thinking": `<|channel|>analysis<|message|>I must run it.<|end|><|start|>assistant<|channel|>commentary to=functions.shell <|constrain|>json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "LM Studio": `[TOOL_REQUEST]${CALL}[END_TOOL_REQUEST]`,
  Gemma: '```tool_code\nshell(command="touch ran_a")\n```',
  "Gemma with print and a name space": "```tool_code\nprint(default_api.shell(command='touch ran_a'))\n```",
  Granite: `<|tool_call|>[${CALL}]`,
  Phi: `<|tool_call|>[${CALL}]<|/tool_call|>`,
  "Phi before 4": `functools[${CALL}]`,
};
