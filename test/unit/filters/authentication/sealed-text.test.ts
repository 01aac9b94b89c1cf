/** What is sealed opens for its purpose, its context and its secret only. */
import { describe, expect, it } from 'vitest';
import {
  deriveKey,
  SEALED_HEAD_CHARS,
  Sealer,
} from '../../../../src/filters/authentication/sealed-text.js';

const SECRET = 'a secret of at least thirty-two characters';

describe('a sealed text', () => {
  it('opens with the same secret, purpose and context, and with no other', () => {
    const sealed = new Sealer(deriveKey(SECRET, 'records')).seal('grüße', 'name');
    const open = (secret: string, purpose: string, context: string) =>
      new Sealer(deriveKey(secret, purpose)).open(sealed, context);
    expect(open(SECRET, 'records', 'name')).toBe('grüße');
    expect(open(`${SECRET}.`, 'records', 'name')).toBe(null);
    expect(open(SECRET, 'others', 'name')).toBe(null);
    expect(open(SECRET, 'records', 'names')).toBe(null);
  });

  it('does not open when any of its bytes is another, or the end is missing', () => {
    const sealer = new Sealer(deriveKey(SECRET, 'records'));
    const bytes = Buffer.from(sealer.seal('text', 'name'), 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      expect(sealer.open(changed.toString('base64url'), 'name')).toBe(null);
      expect(sealer.open(bytes.subarray(0, at).toString('base64url'), 'name')).toBe(null);
    }
  });

  it('never begins twice with the same, and tells nothing of the text but its length', () => {
    const sealer = new Sealer(deriveKey(SECRET, 'records'));
    const all = Array.from({ length: 100 }, () => sealer.seal('text', 'name'));
    expect(new Set(all.map((one) => one.slice(0, SEALED_HEAD_CHARS))).size).toBe(100);
    expect(sealer.open(sealer.seal('', 'name'), 'name')).toBe('');
  });
});
