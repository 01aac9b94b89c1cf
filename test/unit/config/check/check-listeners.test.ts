import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../../../src/config/check/check-config.js';
import { compileListeners } from '../../../../src/config/compile/compile-listeners.js';

type Top = Readonly<Record<string, unknown>>;

function problems(top: Top): string[] {
  const result = checkConfig({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
    ...top,
  });
  return result.isValid ? [] : result.findings.map(({ message }) => message);
}

describe('what requests may be at a listener', () => {
  it('is safe without a word', () => {
    const [listener] = compileListeners({ listen: {} });
    expect(listener).toMatchObject({ underscores: 'drop', rawCharacters: 'encode', wireOnly: [] });
  });

  it('is what it says', () => {
    const listen = { underscores: 'refuse', rawCharacters: 'refuse' } as const;
    expect(problems({ listen })).toEqual([]);
    const [listener] = compileListeners({ listen });
    expect(listener).toMatchObject({ ...listen, wireOnly: ['rawCharacters'] });
  });

  it('cannot be chosen on uws where that has no choice', () => {
    expect(problems({ listen: { engine: 'uws', underscores: 'forward' } })).toEqual([]);
    expect(problems({ listen: { engine: 'uws', rawCharacters: 'encode' } })).toEqual([
      expect.stringMatching(/engine "uws" has no "rawCharacters"/),
    ]);
  });
});

describe('more fields than uws can read', () => {
  const limits = { headerFields: 91 };

  it('are refused there, and need the engine wire', () => {
    expect(problems({ listen: { engine: 'uws' }, limits })).toEqual([
      expect.stringMatching(/engine "uws" cannot do what "limits.headerFields" says/),
    ]);
    expect(problems({ listen: { engine: 'uws' }, limits: { headerFields: 90 } })).toEqual([]);
    expect(problems({ limits })).toEqual([]);
    const [listener] = compileListeners({ listen: {}, limits });
    expect(listener?.wireOnly).toEqual(['limits.headerFields']);
  });
});
