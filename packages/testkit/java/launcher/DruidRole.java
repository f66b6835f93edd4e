package dev.millrace.testkit;

import com.google.inject.Binder;
import com.google.inject.Binding;
import com.google.inject.Injector;
import com.google.inject.Module;
import com.google.inject.Provider;
import com.google.inject.matcher.AbstractMatcher;
import com.google.inject.servlet.GuiceFilter;
import com.google.inject.spi.ProvisionListener;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import org.apache.druid.cli.GuiceRunnable;
import org.apache.druid.cli.ServerRunnable;
import org.apache.druid.discovery.NodeRole;
import org.apache.druid.guice.StartupInjectorBuilder;
import org.apache.druid.initialization.ServerInjectorBuilder;
import org.apache.druid.java.util.common.lifecycle.Lifecycle;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.FilterHolder;
import org.eclipse.jetty.servlet.ServletContextHandler;

/**
 * One role of Druid among others in the same process.
 *
 * <p>The steps are those of ServerRunnable.run, except that a failure is thrown: Druid itself would log it and call
 * System.exit(1), and the launcher could not tell a taken port from a wrong property.
 */
final class DruidRole {
  private final Lifecycle lifecycle;

  private DruidRole(Lifecycle lifecycle) {
    this.lifecycle = lifecycle;
  }

  /** Builds everything, and starts nothing. onStopped is called when all but the role's logging has stopped. */
  @SuppressWarnings("unchecked")
  static DruidRole make(String command, Properties properties, Runnable onStopped) throws Exception {
    Injector startup = new StartupInjectorBuilder().withProperties(properties).withExtensions().build();
    ServerRunnable role = (ServerRunnable) Class.forName(command).getDeclaredConstructor().newInstance();
    startup.injectMembers(role);
    Set<NodeRole> nodeRoles = (Set<NodeRole>) accessible(role.getClass(), "getNodeRoles", Properties.class)
        .invoke(role, properties);
    List<Module> modules = new ArrayList<>(
        (List<? extends Module>) accessible(GuiceRunnable.class, "getModules").invoke(role));
    modules.add(DruidRole::giveServersTheirOwnPipeline);
    Injector injector = ServerInjectorBuilder.makeServerInjector(startup, nodeRoles, modules);
    Lifecycle lifecycle = injector.getInstance(Lifecycle.class);
    lifecycle.addHandler(whenStopped(onStopped), Lifecycle.Stage.INIT); // the stage that stops last
    return new DruidRole(lifecycle);
  }

  /** Returns when the role has started. */
  void start() throws Exception {
    lifecycle.start();
  }

  /**
   * Druid lets Jetty make the filter that leads requests into Guice. Such a one finds its servlets through a static
   * field, so in one process all roles would have those of the role that was made last.
   */
  private static void giveServersTheirOwnPipeline(Binder binder) {
    Provider<GuiceFilter> own = binder.getProvider(GuiceFilter.class);
    binder.bindListener(
        new AbstractMatcher<Binding<?>>() {
          @Override
          public boolean matches(Binding<?> binding) {
            return binding.getKey().getTypeLiteral().getRawType() == Server.class;
          }
        },
        new ProvisionListener() {
          @Override
          public <T> void onProvision(ProvisionInvocation<T> invocation) {
            Server server = (Server) invocation.provision();
            for (Handler context : server.getChildHandlersByClass(ServletContextHandler.class)) {
              for (FilterHolder filter : ((ServletContextHandler) context).getServletHandler().getFilters()) {
                if (filter.getHeldClass() == GuiceFilter.class) {
                  filter.setFilter(own.get());
                }
              }
            }
          }
        });
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

  private static Method accessible(Class<?> type, String name, Class<?>... parameters) throws Exception {
    Method method = type.getDeclaredMethod(name, parameters);
    method.setAccessible(true);
    return method;
  }
}
