import { describe, expect, it } from 'vitest';
import { unnamedFences, withSamples } from '../../../src/build/sample-fences.js';

const FILES: Readonly<Record<string, string>> = {
  'examples/a.yaml':
    '# Shows a.\nlisten: { port: 1 }\n\n# The limits.\nlimits:\n  a: 1\n\nroutes:\n  - b\n',
};

function read(path: string): string {
  const text = FILES[path];
  if (text === undefined) throw new Error(`no file ${path}`);
  return text;
}

const fence = (name: string, text: string): string =>
  `Before\n\`\`\`yaml ${name}\n${text}\`\`\`\nafter\n`;

describe('samples in documents', () => {
  it('become the file that they name, from the first line to the last', () => {
    const text = fence('examples/a.yaml', 'old: text\n');
    expect(withSamples(text, read)).toBe(fence('examples/a.yaml', FILES['examples/a.yaml'] ?? ''));
  });

  it.each([
    ['routes', 'routes:\n  - b\n'],
    ['listen', 'listen: { port: 1 }\n'],
    ['listen,routes', 'listen: { port: 1 }\n\nroutes:\n  - b\n'],
    ['limits', 'limits:\n  a: 1\n'],
  ])('become the top-level keys %s that they name, without comments between', (keys, block) => {
    const name = `examples/a.yaml#${keys}`;
    expect(withSamples(fence(name, ''), read)).toBe(fence(name, block));
  });

  it('are not touched when they name no file', () => {
    const text = 'Before\n```sh\ncurl -i localhost\n```\n';
    expect(withSamples(text, read)).toBe(text);
    expect(unnamedFences(text)).toEqual(['sh']);
    expect(unnamedFences(fence('examples/a.yaml', ''))).toEqual([]);
  });

  it.each(['examples/none.yaml', 'examples/a.yaml#routs', 'examples/a.yaml#routes,other'])(
    'must name something that is there: %s',
    (name) => {
      expect(() => withSamples(fence(name, ''), read)).toThrow();
    },
  );
});
