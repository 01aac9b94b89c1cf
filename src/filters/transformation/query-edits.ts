/**
 * Changes the query of a request. What is not named stays byte for byte as it came.
 *
 * Thread: worker.
 */
import type { RequestView } from '../filter.js';
import { parametersOf } from '../query-parameters.js';
import { compileTemplate } from '../template.js';
import type { CompiledFieldEdits } from './options.js';

/** Makes the new query, with its question mark unless it is empty. */
export function compileQueryEdits(edits: CompiledFieldEdits): (request: RequestView) => string {
  const renamed = new Map(edits.rename);
  const dropped = new Set([...edits.remove, ...edits.set.map(([name]) => name)]);
  const added = [...edits.set, ...edits.add].map(([name, text]) => ({
    name: encodeURIComponent(name),
    value: compileTemplate(text, 'query'),
  }));
  return (request) => {
    const kept: string[] = [];
    for (const parameter of parametersOf(request.query)) {
      const name = renamed.get(parameter.name);
      if (name !== undefined) kept.push(withName(parameter.text, name));
      else if (!dropped.has(parameter.name)) kept.push(parameter.text);
    }
    for (const { name, value } of added) {
      const text = value(request);
      if (text !== null) kept.push(`${name}=${text}`);
    }
    return kept.length === 0 ? '' : `?${kept.join('&')}`;
  };
}

function withName(text: string, name: string): string {
  const mark = text.indexOf('=');
  return encodeURIComponent(name) + (mark === -1 ? '' : text.slice(mark));
}
