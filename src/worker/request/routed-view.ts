/**
 * A request as the conditions of routes look at it.
 *
 * Thread: worker. One object for all requests of a thread: it is bound to one, read, and bound to
 * the next.
 */
import { NamedValues, pairsOfCookies, pairsOfQuery } from '../../routing/named-values.js';
import type { MatchCondition, RoutedRequest } from '../../routing/route-pattern.js';
import type { RequestHead } from '../exchange/request-head.js';

type Head = Pick<RequestHead, 'fields' | 'query' | 'listener'>;

export class RoutedView implements RoutedRequest {
  private head: Head | null = null;
  private readonly parameters = new NamedValues(pairsOfQuery);
  private readonly cookies = new NamedValues(pairsOfCookies);

  /** Looks at this request from now on. */
  of(head: Head): RoutedRequest {
    this.head = head;
    return this;
  }

  get host(): string {
    return this.head?.fields.host ?? '';
  }

  valuesOf(source: MatchCondition['source'], name: string): readonly string[] {
    if (this.head === null) return [];
    const { fields, query, listener } = this.head;
    if (source === 'listener') return [listener];
    if (source === 'header') return fields.values(name);
    if (source === 'query') return this.parameters.of(query, name);
    return this.cookies.of(fields.values('cookie').join(';'), name);
  }
}
