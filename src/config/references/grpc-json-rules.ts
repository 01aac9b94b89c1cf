/**
 * Reads the descriptors that routes of JSON for gRPC name.
 *
 * Thread: any (pure), but that it reads files. A file is read once for a check and once for what is
 * compiled of it.
 */
import { readFileSync, statSync } from 'node:fs';
import { type FoundRules, readHttpRules } from '../../filters/grpc-json/http-rules.js';

const FILE_BYTES_MAX = 8 * 1024 * 1024;

export interface ReadRules extends FoundRules {
  readonly base64: string;
}

/** The rules of a service, or of one method of it; or why there are none. */
export function readGrpcJson(file: string, service: string, method = ''): ReadRules {
  try {
    if (statSync(file).size > FILE_BYTES_MAX) return broken(`${file} is longer than 8 MiB`);
    const bytes = readFileSync(file);
    const found = readHttpRules(bytes, service, method);
    const mistakes = found.mistakes.map((mistake) => `${file} ${mistake}`);
    return { rules: found.rules, mistakes, base64: bytes.toString('base64') };
  } catch (error) {
    return broken(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function broken(mistake: string): ReadRules {
  return { rules: [], mistakes: [mistake], base64: '' };
}
