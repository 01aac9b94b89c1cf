/**
 * A request as a plugin of the program sees it, on the main thread: made of what the worker has
 * sent. What the plugin changes goes back with the answer.
 *
 * Thread: supervisor (on the main thread). Made for one call.
 */
import type { RequestFacts } from '../../channel/plugins/program-calls.js';
import type { PluginRequest } from '../../plugins/plugin.js';
import { cookieIn, fieldValue, requestFieldName } from '../../worker/plugins/field-rules.js';

/** Changes of one call, and fields for the access record, at most. */
const EDITS_MAX = 64;
const LOGGED_MAX = 16;

export class ProgramRequest implements PluginRequest {
  readonly edits: (readonly [name: string, value: string | null])[] = [];
  readonly logged: (readonly [name: string, value: string | number | boolean])[] = [];

  constructor(
    private readonly facts: RequestFacts,
    private readonly parts: {
      /** Its fields may be changed in this call. */
      readonly isOpen: boolean;
      /** What hooks of this request tell each other. */
      state(): Map<string, unknown>;
    },
  ) {}

  get method(): string {
    return this.facts.method;
  }
  get path(): string {
    return this.facts.path;
  }
  get query(): string {
    return this.facts.query;
  }
  get host(): string {
    return this.facts.host;
  }
  get scheme(): string {
    return this.facts.scheme;
  }
  get clientIp(): string {
    return this.facts.clientIp;
  }
  get requestId(): string {
    return this.facts.requestId;
  }
  get route(): string {
    return this.facts.route;
  }
  get consumer(): string {
    return this.facts.consumer;
  }
  get claims(): Readonly<Record<string, unknown>> | null {
    return this.facts.claims;
  }
  get params(): Readonly<Record<string, string | undefined>> {
    return this.facts.params;
  }
  get target(): string {
    return this.facts.target;
  }
  get state(): Map<string, unknown> {
    return this.parts.state();
  }

  header(name: string): string {
    const lower = name.toLowerCase();
    const { fields, changed } = this.facts;
    const edited = this.edits.findLast(([one]) => one === lower);
    const other = edited ?? changed.find(([one]) => one === lower);
    if (other !== undefined) return other[1] ?? '';
    return fields.find(([one]) => one === lower)?.[1] ?? '';
  }

  headers(): readonly (readonly [string, string])[] {
    return this.facts.fields;
  }

  cookie(name: string): string {
    const fields = this.facts.fields.flatMap(([one, value]) => (one === 'cookie' ? [value] : []));
    return cookieIn(fields.join(';'), name);
  }

  log(name: string, value: string | number | boolean): void {
    if (this.logged.length < LOGGED_MAX) this.logged.push([String(name), value]);
  }

  setHeader(name: string, value: string): void {
    const lower = requestFieldName(name);
    this.edit(lower, fieldValue(lower, value));
  }

  removeHeader(name: string): void {
    this.edit(requestFieldName(name), null);
  }

  private edit(name: string, value: string | null): void {
    if (!this.parts.isOpen) throw new Error('the request cannot be changed in this hook');
    if (this.edits.length >= EDITS_MAX) throw new Error(`more than ${EDITS_MAX} changes`);
    this.edits.push([name, value]);
  }
}
