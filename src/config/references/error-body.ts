/**
 * Reads the body of a refusal: a text of the configuration, or a file.
 *
 * Thread: loader. Read when the configuration is, and again with each reload.
 */
import { noteFile } from './files-read.js';
import { type FileText, readKeyFile } from './key-material.js';

export function readErrorBody(body: string | { readonly file: string }): FileText {
  if (typeof body === 'string') return { text: body };
  noteFile(body.file);
  const read = readKeyFile(body.file);
  if ('text' in read && read.text.includes('\ufffd')) return { problem: 'the file is not UTF-8' };
  return read;
}
