/**
 * Where the routes of each method stand in the leaves of a route table.
 *
 * Thread: any (pure).
 *
 *     place   0 …                    the methods of base/http-method.ts
 *             … then                 the others that some route names
 *             last                   every other method, for routes that take all
 */
import { EVERY_METHOD, HTTP_METHODS, isInEveryMethod, takesMethod } from '../base/http-method.js';

/** The place of a method that no route takes. */
export const NO_METHOD = -1;

export class MethodPlaces {
  /** All methods with places of their own. */
  readonly names: readonly string[];
  /** Words of a leaf. */
  readonly count: number;
  private readonly places: ReadonlyMap<string, number>;

  /** `others`: methods that routes name, beside those that every table knows. */
  constructor(readonly others: readonly string[]) {
    this.names = [...HTTP_METHODS, ...others];
    this.count = this.names.length + 1;
    this.places = new Map(this.names.map((name, place) => [name, place]));
  }

  /** Those that a table for routes with these lists of methods has. */
  static of(lists: Iterable<readonly string[]>): MethodPlaces {
    const known: ReadonlySet<string> = new Set([...HTTP_METHODS, EVERY_METHOD]);
    const others = new Set<string>();
    for (const methods of lists) {
      for (const method of methods) if (!known.has(method)) others.add(method);
    }
    return new MethodPlaces([...others]);
  }

  // Hot path, watched by bench/micro/routing/route-table: once for every request.
  placeOf(method: string): number {
    const place = this.places.get(method);
    if (place !== undefined) return place;
    return isInEveryMethod(method) ? this.count - 1 : NO_METHOD;
  }

  /** The places of a route with this list of methods. */
  placesOf(methods: readonly string[]): number[] {
    const places: number[] = [];
    for (const [place, name] of this.names.entries()) {
      if (takesMethod(methods, name)) places.push(place);
    }
    if (methods.includes(EVERY_METHOD)) places.push(this.count - 1);
    return places;
  }

  /** Every place, for a path that is closed. */
  get all(): number[] {
    return Array.from({ length: this.count }, (_, place) => place);
  }
}
