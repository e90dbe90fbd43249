import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The rules of the bridge for alerts of one type: a dedup window per symbol in a logged store, and requests of 50 alerts.
 *
 * <p>Windows are matched by event time and expire by the wall clock, as in the bridge. In contrast to it, the open batch is in memory
 * only: a commit may include alerts whose request is not written, so a crash can lose them. A second logged store would avoid that, at
 * further cost.
 */
final class BridgeProcessor implements Processor<String, byte[], String, byte[]> {
  static final String STORE = "windows";

  private static final int HEADER_BYTES = 5;
  private static final int REQUEST_SCHEMA_ID = 1;
  private static final long WINDOW_MICROS = 60_000_000;
  private static final long KEPT_MS = 360_000;
  private static final int BATCH_ALERTS = 50;
  private static final Duration LINGER = Duration.ofMillis(50);
  private static final Duration EXPIRE_EVERY = Duration.ofSeconds(60);
  private static final List<String> SETS =
      List.of("market_microstructure", "momentum_features", "price_features", "volume_features");

  private record Alert(String eventId, String symbol, String scanner, long occurredAt) {}

  private final Progress progress;
  private final Schema requestSchema;
  private final Schema symbolSchema;
  private final GenericDatumReader<GenericRecord> reader;
  private final GenericDatumWriter<GenericRecord> writer;
  private final List<Alert> open = new ArrayList<>(BATCH_ALERTS);
  private final ByteArrayOutputStream payload = new ByteArrayOutputStream();
  private GenericRecord decoded;
  private BinaryDecoder decoder;
  private BinaryEncoder encoder;
  private ProcessorContext<String, byte[]> context;
  private KeyValueStore<String, byte[]> windows;

  BridgeProcessor(Progress progress, Schema alertSchema, Schema requestSchema) {
    this.progress = progress;
    this.requestSchema = requestSchema;
    symbolSchema = requestSchema.getField("symbols").schema().getElementType();
    reader = new GenericDatumReader<>(alertSchema);
    writer = new GenericDatumWriter<>(requestSchema);
  }

  @Override
  public void init(ProcessorContext<String, byte[]> context) {
    this.context = context;
    windows = context.getStateStore(STORE);
    context.schedule(LINGER, PunctuationType.WALL_CLOCK_TIME, now -> emit());
    context.schedule(EXPIRE_EVERY, PunctuationType.WALL_CLOCK_TIME, this::expire);
  }

  @Override
  public void process(Record<String, byte[]> record) {
    Alert alert = decode(record.value());
    byte[] window = windows.get(alert.symbol());
    long since = window == null ? Long.MAX_VALUE : alert.occurredAt() - ByteBuffer.wrap(window).getLong();
    if (Math.abs(since) <= WINDOW_MICROS) {
      progress.dropped();
      return;
    }
    if (since > 0) {
      byte[] opened = ByteBuffer.allocate(16).putLong(alert.occurredAt()).putLong(System.currentTimeMillis()).array();
      windows.put(alert.symbol(), opened);
    }
    progress.held();
    open.add(alert);
    if (open.size() >= BATCH_ALERTS) {
      emit();
    }
  }

  private void emit() {
    if (open.isEmpty()) {
      return;
    }
    String key = open.get(0).symbol();
    long now = System.currentTimeMillis();
    byte[] request = encode(open, now * 1_000);
    int alerts = open.size();
    open.clear();
    context.forward(new Record<>(key, request, now));
    progress.requested(alerts);
  }

  private void expire(long nowMs) {
    try (KeyValueIterator<String, byte[]> all = windows.all()) {
      while (all.hasNext()) {
        KeyValue<String, byte[]> entry = all.next();
        if (nowMs - ByteBuffer.wrap(entry.value).getLong(8) >= KEPT_MS) {
          windows.delete(entry.key);
        }
      }
    }
  }

  private Alert decode(byte[] value) {
    try {
      decoder = DecoderFactory.get().binaryDecoder(value, HEADER_BYTES, value.length - HEADER_BYTES, decoder);
      decoded = reader.read(decoded, decoder);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return new Alert(
        decoded.get("event_id").toString(),
        decoded.get("symbol").toString(),
        decoded.get("source_scanner").toString(),
        (Long) decoded.get("occurred_at"));
  }

  private byte[] encode(List<Alert> alerts, long nowMicros) {
    List<Alert> sorted = new ArrayList<>(alerts);
    sorted.sort(Comparator.comparing(Alert::symbol));
    List<GenericRecord> symbols = new ArrayList<>(sorted.size());
    List<String> causes = new ArrayList<>(sorted.size());
    TreeSet<String> scanners = new TreeSet<>();
    long newest = Long.MIN_VALUE;
    for (Alert alert : sorted) {
      GenericRecord symbol = new GenericData.Record(symbolSchema);
      symbol.put("symbol", alert.symbol());
      symbol.put("first_seen", alert.occurredAt());
      symbol.put("occurred_at", alert.occurredAt());
      symbols.add(symbol);
      causes.add(alert.eventId());
      scanners.add(alert.scanner());
      newest = Math.max(newest, alert.occurredAt());
    }
    GenericRecord request = new GenericData.Record(requestSchema);
    request.put("event_id", UUID.randomUUID().toString());
    request.put("occurred_at", newest);
    request.put("source", "bench");
    request.put("correlation_id", causes.get(0));
    request.put("request_id", UUID.randomUUID().toString());
    request.put("symbols", symbols);
    request.put("feature_sets", SETS);
    request.put("timeframe", "1day");
    request.put("priority", 6);
    request.put("requester", "bench");
    request.put("source_scanners", new ArrayList<>(scanners));
    request.put("correlation_ids", causes);
    request.put("requested_at", nowMicros);
    payload.reset();
    payload.write(0);
    payload.writeBytes(ByteBuffer.allocate(4).putInt(REQUEST_SCHEMA_ID).array());
    try {
      encoder = EncoderFactory.get().binaryEncoder(payload, encoder);
      writer.write(request, encoder);
      encoder.flush();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return payload.toByteArray();
  }

  /** Reads a schema of the contract. */
  static Schema schema(java.nio.file.Path schemas, String event) throws IOException {
    java.nio.file.Path file = schemas.resolve(event).resolve("v1.avsc");
    return new Schema.Parser().parse(java.nio.file.Files.readString(file, StandardCharsets.UTF_8));
  }
}
