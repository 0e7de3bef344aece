import { toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { limits } from "@fastchat/protocol";
import { type ClientFrame, ClientFrameSchema } from "@fastchat/protocol/wire/frames";

/** Field 1 of ClientPacket: one frame. */
const FRAME_FIELD = 1;
/** Tag and length in front of a frame. */
const FRAME_OVERHEAD = 6;

/** Collects the frames of one turn of the event loop into as few packets as the limits allow. */
export class PacketWriter {
  readonly #send: (packet: Uint8Array<ArrayBuffer>) => void;
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #due = false;

  constructor(send: (packet: Uint8Array<ArrayBuffer>) => void) {
    this.#send = send;
  }

  add(frame: ClientFrame): void {
    const bytes = toBinary(ClientFrameSchema, frame);
    const full = this.#frames.length === limits.framesPerPacket || this.#bytes + bytes.length + FRAME_OVERHEAD > limits.packetBytes;
    if (full) this.#flush();
    this.#frames.push(bytes);
    this.#bytes += bytes.length + FRAME_OVERHEAD;
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#frames.length === 0) return;
    const writer = new BinaryWriter();
    for (const frame of this.#frames) writer.tag(FRAME_FIELD, WireType.LengthDelimited).bytes(frame);
    this.#frames = [];
    this.#bytes = 0;
    this.#send(writer.finish() as Uint8Array<ArrayBuffer>);
  }
}
