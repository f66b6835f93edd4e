package dev.millrace.testkit;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;

/**
 * The tie between this process and the one that started it.
 *
 * <p>Standard input is a pipe that only the parent holds. The line "stop" asks for an orderly end; the end of the
 * stream means that the parent is gone, however it ended, and this process then halts at once. Standard output
 * carries one event a line, "@millrace NAME DETAIL"; whatever libraries print goes to standard error, the log.
 */
final class ParentWatch {
  /** Exit codes that the parent tells apart. */
  static final int STOPPED = 0;
  static final int ROLE_FAILED = 70;
  static final int PORT_TAKEN = 71;
  static final int PARENT_GONE = 72;

  /** After "stop", libraries get this long before the process halts anyway. */
  private static final long STOP_GRACE_MS = Long.getLong("millrace.stopGraceMs", 10_000L);

  private static PrintStream events;

  private ParentWatch() {}

  /** Call first in main: it redirects System.out and starts to watch standard input. */
  static void install() {
    events = System.out;
    System.setOut(System.err);
    Thread watch = new Thread(ParentWatch::watch, "parent-watch");
    watch.setDaemon(true);
    watch.setPriority(Thread.MAX_PRIORITY);
    watch.start();
  }

  static void event(String name, String detail) {
    synchronized (ParentWatch.class) {
      long uptimeMs = java.lang.management.ManagementFactory.getRuntimeMXBean().getUptime();
      events.println("@millrace " + name + " " + uptimeMs + " " + detail.replace('\n', ' '));
      events.flush();
    }
  }

  /** Ends the process; a taken port has a code of its own, because the parent then tries other ports. */
  static void fail(String what, Throwable failure) {
    System.err.println("FATAL " + what + " failed: " + failure);
    failure.printStackTrace();
    System.err.flush();
    event("failed", what + ": " + failure);
    Runtime.getRuntime().halt(isPortTaken(failure) ? PORT_TAKEN : ROLE_FAILED);
  }

  private static boolean isPortTaken(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      String message = String.valueOf(cause.getMessage());
      if (cause instanceof java.net.BindException || message.contains("Address already in use")) {
        return true;
      }
    }
    return false;
  }

  private static void watch() {
    StringBuilder line = new StringBuilder();
    InputStream in = System.in;
    try {
      for (int next = in.read(); next >= 0; next = in.read()) {
        if (next != '\n') {
          line.append((char) next);
          continue;
        }
        if (line.toString().trim().equals("stop")) {
          stop();
        }
        line.setLength(0);
      }
    } catch (IOException ignored) {
      // A broken pipe says the same as its end.
    }
    Runtime.getRuntime().halt(PARENT_GONE);
  }

  /** Shutdown hooks run beside this thread, which keeps watching: should the parent die now, the process halts. */
  private static void stop() {
    Thread exit = new Thread(() -> System.exit(STOPPED), "stop");
    exit.start();
    Thread limit = new Thread(() -> {
      try {
        Thread.sleep(STOP_GRACE_MS);
      } catch (InterruptedException ignored) {
        // Nobody interrupts it; halting early would be right as well.
      }
      Runtime.getRuntime().halt(STOPPED);
    }, "stop-limit");
    limit.setDaemon(true);
    limit.start();
  }
}
