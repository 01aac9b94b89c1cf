import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { syntaxReason } from '../../../../src/config/source/syntax-reasons.js';

function reasonOf(text: string): string {
  const [error] = parseDocument(text, { prettyErrors: false }).errors;
  return error === undefined ? '' : syntaxReason(error);
}

describe('why a text is no YAML', () => {
  // What the library says of these texts is what a new version of it may say in other words.
  it.each([
    ['a: [b, c', /^a bracket is not closed: "\]" is missing, /],
    ['a: {b: c', /^a bracket is not closed: "\}" is missing, /],
    ["a: 'it's'", /^something follows a value that has ended: quote the whole value$/],
    ['a: { b: http://${X}:80 }', /^something follows a value/],
    ['a: {b: c}}', /^a bracket is closed that is not open$/],
    ['a: "b', /^a value that begins with " has no " at its end$/],
    ["a: 'b", /^a value that begins with ' has no ' at its end$/],
    ['a: b: c', /^a second ": " in one line: quote the value, or begin a new line$/],
    ['a: @b', /^a value that begins with @ must be quoted$/],
    ['a: `b', /^a value that begins with ` must be quoted$/],
    ['a:\n - b\n c: d', /^keys of one mapping must begin at the same column$/],
    ['%A\na: b', /^(?!.*: ).+$/],
  ])('is said in plain words: %j', (text, reason) => {
    expect(reasonOf(text)).toMatch(reason);
  });
});
