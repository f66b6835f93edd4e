package dev.millrace.testkit.role;

import com.google.inject.Injector;
import java.lang.reflect.Method;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.druid.cli.ServerRunnable;
import org.apache.druid.discovery.NodeRole;
import org.apache.druid.guice.StartupInjectorBuilder;
import org.apache.druid.java.util.common.lifecycle.Lifecycle;

/** One role of Druid, inside the class loader that DruidLauncher made for it. */
public final class DruidRole {
  private DruidRole() {}

  /**
   * Starts the role and returns only when it has been shut down. Everything is built, and its classes loaded, before
   * beforeStart is called, which may block. onStopped is called when all but the role's logging has stopped.
   *
   * <p>The steps are those of ServerRunnable.run, except that a failure is thrown: Druid itself would log it and call
   * System.exit(1), and the launcher could not tell a taken port from a wrong property.
   */
  public static void run(
      String command, Properties properties, Callable<Void> beforeStart, Runnable onStarted, Runnable onStopped)
      throws Exception {
    Injector startup = new StartupInjectorBuilder().withProperties(properties).withExtensions().build();
    ServerRunnable role = (ServerRunnable) Class.forName(command).getDeclaredConstructor().newInstance();
    startup.injectMembers(role);
    Lifecycle lifecycle = role.makeInjector(nodeRoles(role, properties)).getInstance(Lifecycle.class);
    lifecycle.addHandler(whenStopped(onStopped), Lifecycle.Stage.INIT); // the stage that stops last
    beforeStart.call();
    lifecycle.start();
    onStarted.run();
    lifecycle.join();
  }

  private static Lifecycle.Handler whenStopped(Runnable onStopped) {
    return new Lifecycle.Handler() {
      @Override
      public void start() {}

      @Override
      public void stop() {
        onStopped.run();
      }
    };
  }

  @SuppressWarnings("unchecked")
  private static Set<NodeRole> nodeRoles(ServerRunnable role, Properties properties) throws Exception {
    Method getNodeRoles = role.getClass().getDeclaredMethod("getNodeRoles", Properties.class);
    getNodeRoles.setAccessible(true);
    return (Set<NodeRole>) getNodeRoles.invoke(role, properties);
  }
}
