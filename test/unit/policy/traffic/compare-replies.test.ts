/** In what two replies differ. */
import { describe, expect, it } from 'vitest';
import { differenceOf, type SeenReply } from '../../../../src/policy/traffic/compare-replies.js';

const ALL = { status: true, fields: true, body: true };
const REPLY: SeenReply = { status: 200, fields: [['A', '1']], bodyBytes: 3, bodyHash: 'x' };

const differ = (copy: Partial<SeenReply>, compares = ALL, main: Partial<SeenReply> = {}) =>
  differenceOf({ compares, ignored: ['date'] }, { ...REPLY, ...main }, { ...REPLY, ...copy });

describe('two replies', () => {
  it('are alike whatever the case of names and the order of fields', () => {
    expect(differ({ fields: [['a', '1']] })).toBeNull();
    const main: SeenReply['fields'] = [...REPLY.fields, ['b', '2'], ['Date', 'x']];
    expect(
      differ(
        {
          fields: [
            ['B', '2'],
            ['date', 'y'],
            ['a', '1'],
          ],
        },
        ALL,
        { fields: main },
      ),
    ).toBeNull();
    expect(
      differ({ fields: [['a', '1, 2']] }, ALL, {
        fields: [
          ['a', '1'],
          ['A', '2'],
        ],
      }),
    ).toBeNull();
  });

  it('differ in a status, in fields that one of them lacks, and in a body', () => {
    expect(differ({ status: 201 })).toEqual({ status: true, fields: [], body: false });
    expect(differ({ fields: [['b', '1']] })?.fields).toEqual(['a', 'b']);
    expect(differ({ bodyHash: 'y' })?.body).toBe(true);
    expect(differ({ bodyBytes: 4 })?.body).toBe(true);
  });

  it('differ only in what is looked at', () => {
    const none = { status: false, fields: false, body: false };
    const other = { status: 500, fields: [['z', '1']] as const, bodyHash: 'y' };
    expect(differ(other, none)).toBeNull();
    expect(differ(other, { ...none, body: true })).toEqual({
      status: false,
      fields: [],
      body: true,
    });
  });
});
