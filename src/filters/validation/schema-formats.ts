/**
 * The formats that schemas may name.
 *
 * Thread: any (pure). The same functions judge where a schema is compiled and where its code runs.
 */
import { createRequire } from 'node:module';
import type { Format } from 'ajv';

/** Loaded when there is a schema. */
const load = createRequire(import.meta.url);

/** What is longer is no `url` (a `uri` may have any length). */
const URL_CHARS_MAX = 2048;

let formats: Readonly<Record<string, Format>> | undefined;

/** By name. No format is an expression, so code refers to each by its name. */
export function schemaFormats(): Readonly<Record<string, Format>> {
  formats ??= readFormats();
  return formats;
}

function readFormats(): Record<string, Format> {
  const { fullFormats } = load(
    'ajv-formats/dist/formats',
  ) as typeof import('ajv-formats/dist/formats.js');
  const read = Object.entries(fullFormats).map(([name, format]): [string, Format] =>
    format instanceof RegExp ? [name, (text: string) => format.test(text)] : [name, format],
  );
  const { url } = fullFormats;
  if (!(url instanceof RegExp)) throw new Error('the format "url" is a regular expression');
  return {
    ...Object.fromEntries(read),
    // The pattern of ajv-formats takes time that grows with the square of what is before an `@`.
    url: (text: string) => text.length <= URL_CHARS_MAX && url.test(text),
  };
}
