/**
 * OCSP responses in files, which listeners staple to their certificates (RFC 6960).
 *
 * Thread: supervisor or loader. Sees whether it is an answer at all; whether it is signed, fresh
 * and about this certificate is for clients to judge.
 */
import { DerError, derElements, derInside, TAG_SEQUENCE } from '../../wire/x509/der-reader.js';
import type { ListenerSettings } from '../listener-settings.js';
import { readBoundedFile } from './key-material.js';

/** Longer than any that comes with certificates of its signers. */
export const STAPLE_BYTES_MAX = 1024 * 1024;

const TAG_ENUMERATED = 0x0a;
const NO_RESPONSE = 'is no OCSP response in DER (RFC 6960)';

/** What is wrong with it; undefined: nothing that can be seen here. */
export function stapleProblem(bytes: Buffer): string | undefined {
  if (bytes.includes('-----BEGIN')) return `${NO_RESPONSE}: it is PEM`;
  try {
    const [response, ...others] = derElements(bytes);
    const [status, answer] = derInside(response, TAG_SEQUENCE);
    if (others.length > 0 || status?.tag !== TAG_ENUMERATED) return NO_RESPONSE;
    const code = status.body[0];
    if (code !== 0) return `has no answer: its responder says ${code} (RFC 6960 4.2.1)`;
    return answer === undefined ? NO_RESPONSE : undefined;
  } catch (error) {
    if (error instanceof DerError) return NO_RESPONSE;
    throw error;
  }
}

/** The files of these listeners that are none now, and why. */
export function unsoundStaples(
  listeners: readonly Pick<ListenerSettings, 'tls'>[],
): { readonly file: string; readonly why: string }[] {
  const files = new Set(
    listeners.flatMap(({ tls }) => (tls?.certificates ?? []).map(({ ocsp }) => ocsp)),
  );
  files.delete('');
  return [...files].flatMap((file) => {
    const read = readBoundedFile(file, STAPLE_BYTES_MAX);
    const why = 'bytes' in read ? stapleProblem(read.bytes) : read.problem;
    return why === undefined ? [] : [{ file, why }];
  });
}
