export interface CsvParseStreamOptions {
  readonly separator?: string;
  readonly trimLeadingSpace?: boolean;
  readonly lazyQuotes?: boolean;
  readonly fieldsPerRecord?: number;
  readonly skipFirstRow?: boolean;
  readonly columns?: readonly string[];
}
export class CsvParseStream<T extends CsvParseStreamOptions | undefined = undefined>
  implements TransformStream<string, string[]> {
  constructor(options?: T);
  readonly readable: ReadableStream<string[]>;
  readonly writable: WritableStream<string>;
}
