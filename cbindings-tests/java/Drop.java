import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/** The one call in a Java program: Drop USER GROUP CAPS, where "-" stands for null. */
public final class Drop {
    private static String given(String word) {
        return word.equals("-") ? null : word;
    }

    public static void main(String[] words) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready");
        in.readLine();
        int refused = 0;
        try {
            EcSecurity.apply(given(words[0]), given(words[1]), given(words[2]));
            System.out.println("dropped");
        } catch (EcSecurity.Refused error) {
            System.out.println("refused: " + error.kind + ": " + error.getMessage());
            refused = 1;
        }
        in.readLine();
        System.exit(refused);
    }
}
