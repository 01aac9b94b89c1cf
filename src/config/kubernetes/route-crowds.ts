/**
 * How many routes have places in common, of which each needs a priority of its own.
 *
 * Thread: any (pure). Routes with one place in common are of one crowd, and so are crowds that have
 * a route in common. Invariant: of what is refused nothing stays.
 */
interface Crowd {
  count: number;
  /** null: it is no part of another one. */
  into: Crowd | null;
}

export class RouteCrowds {
  private readonly crowds = new Map<string, Crowd>();
  private undo: (() => void)[] = [];

  constructor(private readonly most: number) {}

  /** Takes routes, each by its places, if no crowd gets larger than it may be; else none. */
  take(routes: readonly (readonly string[])[]): boolean {
    this.undo = [];
    for (const places of routes) {
      if (this.join(places) <= this.most) continue;
      for (const step of this.undo.reverse()) step();
      return false;
    }
    return true;
  }

  /** How large the crowd of the route is now. */
  private join(places: readonly string[]): number {
    const [largest, ...others] = [...new Set(places.map((place) => this.crowdAt(place)))].sort(
      (one, other) => other.count - one.count,
    );
    if (largest === undefined) return 0;
    const { count } = largest;
    this.undo.push(() => {
      largest.count = count;
      for (const one of others) one.into = null;
    });
    for (const one of others) {
      largest.count += one.count;
      one.into = largest;
    }
    largest.count += 1;
    return largest.count;
  }

  private crowdAt(place: string): Crowd {
    let crowd = this.crowds.get(place);
    if (crowd === undefined) {
      crowd = { count: 0, into: null };
      this.crowds.set(place, crowd);
      this.undo.push(() => this.crowds.delete(place));
    }
    while (crowd.into !== null) crowd = crowd.into;
    return crowd;
  }
}
