import java.io.InputStream;
import java.lang.reflect.Field;
import java.util.Arrays;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * DynamoDB Local on 127.0.0.1 only, gone as soon as whoever started it is gone.
 *
 * By itself it listens on every interface and outlives its parent. It is started as ever, then its one connector is moved
 * to the loopback address; the port it got (0 asks for a free one) is printed as "port N". The end of standard input ends
 * the process.
 */
class Loopback {
    public static void main(String[] arguments) throws Exception {
        int at = Arrays.asList(arguments).indexOf("-port");
        int port = Integer.parseInt(arguments[at + 1]);
        // The command line refuses port 0; the number given here is never listened on.
        arguments[at + 1] = "8000";
        DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(arguments);
        Field field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        Server server = (Server) field.get(proxy);
        ServerConnector connector = (ServerConnector) server.getConnectors()[0];
        connector.setHost("127.0.0.1");
        connector.setPort(port);
        Thread watch = new Thread(Loopback::endWithParent);
        watch.setDaemon(true);
        watch.start();
        proxy.start();
        System.out.println("port " + connector.getLocalPort());
        System.out.flush();
        server.join();
    }

    private static void endWithParent() {
        try (InputStream input = System.in) {
            while (input.read() >= 0) {}
        } catch (java.io.IOException broken) {
            // A broken pipe says the same as its end.
        }
        Runtime.getRuntime().halt(0);
    }
}
