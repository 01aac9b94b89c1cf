/**
 * Adds the fields that make browsers stricter.
 *
 * Thread: worker.
 */
import type { FilterSteps, ReplyStep } from '../filter.js';
import type { CompiledSecurityHeaders } from './options.js';

export function securityHeadersSteps(options: CompiledSecurityHeaders): FilterSteps<'replyHead'> {
  return { replyHead: securityHeadersStep(options) };
}

function securityHeadersStep(options: CompiledSecurityHeaders): ReplyStep {
  const { fields, localFields, override, hideServer } = options;
  const named = fields.map(([name, value]) => ({ name, lower: name.toLowerCase(), value }));
  return (head) => {
    if (hideServer) head.removeWhere((name) => name === 'server' || name === 'x-powered-by');
    for (const { name, lower, value } of named) {
      if (override || head.isLocal) head.set(name, value);
      else if (head.values(lower).length === 0) head.add(name, value);
    }
    if (!head.isLocal) return;
    for (const [name, value] of localFields) head.set(name, value);
  };
}
