import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.AppInfoParser;

/** Prints keys in hexadecimal with their partition of 1, 3, 12 and 100, as computed by Kafka's producer. */
public class Vectors {
    private static final int[] COUNTS = {1, 3, 12, 100};

    public static void main(String[] args) {
        System.out.println("# org.apache.kafka:kafka-clients " + AppInfoParser.getVersion());
        System.out.println("key,of_1,of_3,of_12,of_100");
        for (String key : keys()) {
            StringBuilder line = new StringBuilder(key);
            for (int count : COUNTS) {
                byte[] bytes = HexFormat.of().parseHex(key);
                line.append(',').append(BuiltInPartitioner.partitionForKey(bytes, count));
            }
            System.out.println(line);
        }
    }

    private static Set<String> keys() {
        List<byte[]> keys = new ArrayList<>();
        Random random = new Random(20240315);
        for (int length = 0; length <= 20; length++) {
            for (int sample = 0; sample < 8; sample++) {
                byte[] ascii = new byte[length];
                for (int i = 0; i < length; i++) {
                    ascii[i] = (byte) (' ' + random.nextInt(95));
                }
                keys.add(ascii);
            }
            byte[] any = new byte[length];
            random.nextBytes(any);
            keys.add(any);
        }
        String[] texts = {
            "AAPL", "MSFT", "GOOG", "GOOGL", "BRK.B", "BF-A", "F", "V", "ABCDE.WS", "AAPL|1day|1710475200000000",
            "ä", "Zürich", "ﬁ", "東京", "🚀", "a\u0000b", "\u0000", "\u0000\u0000\u0000\u0000", "ÿÿÿÿ", "ключ", "κλειδί",
        };
        for (String text : texts) {
            keys.add(text.getBytes(StandardCharsets.UTF_8));
        }
        keys.add(new byte[] {(byte) 0xff});
        keys.add(new byte[] {(byte) 0x80, (byte) 0x80, (byte) 0x80});
        byte[] longest = new byte[300];
        random.nextBytes(longest);
        keys.add(longest);
        Set<String> once = new LinkedHashSet<>();
        for (byte[] key : keys) {
            once.add(HexFormat.of().formatHex(key));
        }
        return once;
    }
}
