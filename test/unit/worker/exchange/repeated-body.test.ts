/** Bodies of calls that may be sent again, though their length was not known. */
import { describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../../../src/base/field-block.js';
import { WINDOW_CREDIT_BYTES } from '../../../../src/channel/lane.js';
import { type BodySink, StreamedBody } from '../../../../src/worker/exchange/streamed-body.js';

class Sink implements BodySink {
  text = '';
  isEnded = false;

  onPiece(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString('latin1');
  }

  onBodyEnd(): void {
    this.isEnded = true;
  }

  onBodyDropped(): void {
    this.text += '(dropped)';
  }
}

function aBody(keptBytesMax: number) {
  let credited = 0;
  const source = {
    onWanted: () => {},
    giveWindow: (bytes: number) => {
      credited += bytes;
    },
  };
  return { body: new StreamedBody(-1, source, keptBytesMax), credited: () => credited };
}

describe('a body that is kept', () => {
  it('goes to another connection from the beginning, and then on', () => {
    const { body } = aBody(10);
    const [first, second] = [new Sink(), new Sink()];
    body.push(Buffer.from('ab'));
    body.flowTo(first);
    body.push(Buffer.from('cd'));
    expect(body.canRepeat).toBe(true);
    body.flowTo(second);
    body.push(Buffer.from('ef'));
    body.end(NO_FIELDS);
    expect([first.text, second.text, second.isEnded]).toEqual(['abcd', 'abcdef', true]);
  });

  it('is not once it is longer than what may be kept', () => {
    const { body } = aBody(3);
    body.push(Buffer.from('ab'));
    body.flowTo(new Sink());
    body.push(Buffer.from('cd'));
    expect(body.canRepeat).toBe(false);
    expect(aBody(0).body.canRepeat).toBe(false);
  });

  it('gives the client its window once, however often it is sent', () => {
    const size = WINDOW_CREDIT_BYTES;
    const { body, credited } = aBody(4 * size);
    body.push(Buffer.alloc(size));
    body.flowTo(new Sink());
    body.onTaken(size);
    expect(credited()).toBe(size);
    body.flowTo(new Sink());
    body.onTaken(size);
    expect(credited()).toBe(size);
    body.push(Buffer.alloc(size));
    body.onTaken(size);
    expect(credited()).toBe(2 * size);
  });
});
