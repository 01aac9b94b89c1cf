/**
 * Puts the samples that documents show in step with the files in examples/.
 *
 * Thread: any (pure), in a process of its own. A fenced block whose first line names a file shows
 * that file: all of it, or the top-level keys that are named after `#`.
 *
 *     ```yaml examples/limits.yaml#limits,routes
 */

/** The first line of a fenced block, and what is in it. */
const FENCE = /^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm;

/** Reads a file by its path from the root of the project. */
export type ReadSample = (path: string) => string;

/** The document with the samples as the files have them. Throws when a name leads nowhere. */
export function withSamples(document: string, read: ReadSample): string {
  return document.replace(FENCE, (whole, language: string, name: string | undefined) =>
    name === undefined ? whole : `\`\`\`${language} ${name}\n${sampleText(name, read)}\`\`\``,
  );
}

/** The languages of the fenced blocks that name no file, in the order of the document. */
export function unnamedFences(document: string): string[] {
  return [...document.matchAll(FENCE)]
    .filter(([, , name]) => name === undefined)
    .map(([, language = '']) => language);
}

function sampleText(name: string, read: ReadSample): string {
  const [path = '', keys] = name.split('#');
  const text = read(path);
  return keys === undefined ? text : topLevelBlocks(text, keys.split(','), name);
}

/** The blocks of these keys, in the order of the file, with one empty line between two. */
function topLevelBlocks(text: string, keys: readonly string[], name: string): string {
  const blocks = text.split(/^(?=[A-Za-z])/m).slice(text.search(/^[A-Za-z]/m) === 0 ? 0 : 1);
  const chosen = blocks.filter((block) => keys.includes(block.slice(0, block.indexOf(':'))));
  if (chosen.length !== keys.length) throw new Error(`${name}: not all of these keys are there`);
  return `${chosen.map(withoutTail).join('\n\n')}\n`;
}

/** The block without its empty lines and the comment of the next block. */
function withoutTail(block: string): string {
  return block.replace(/(?:\n(?:#.*)?)*$/, '');
}
