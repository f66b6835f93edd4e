/** How the bytes of a file become records. One object per source; what it keeps of a file is in the decoder. */
export interface RecordFormat<T> {
  /** Whether the first record of each file names the fields. */
  readonly hasHeader: boolean;
  createDecoder(): RecordDecoder<T>;
}

/** Decodes one file, from its beginning or from the beginning of any record on. */
export interface RecordDecoder<T> {
  /** Line breaks of the record that was found last. */
  readonly lines: number;
  /**
   * The index after the line break of the record that begins at `from`, or -1 where there is none before `to`. After -1 it
   * is called again for the same record, with more bytes.
   */
  findEnd(bytes: Uint8Array, from: number, to: number): number;
  /** @throws Error that says what is wrong with the header */
  readHeader(text: string): void;
  /** `text` is one record without its line break. @throws anything, where that is no record */
  decode(text: string): T;
}
