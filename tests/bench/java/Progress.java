import java.util.concurrent.CountDownLatch;

/** Counts the records of all tasks. The stream thread changes it, the main thread waits for its end. */
final class Progress {
  private final long records;
  private final CountDownLatch complete = new CountDownLatch(1);
  private long processed;
  private long passed;
  private long held;

  Progress(long records) {
    this.records = records;
  }

  void dropped() {
    processed++;
    check();
  }

  void held() {
    processed++;
    passed++;
    held++;
  }

  void requested(int alerts) {
    held -= alerts;
    check();
  }

  long processed() {
    return processed;
  }

  long passed() {
    return passed;
  }

  void await() throws InterruptedException {
    complete.await();
  }

  private void check() {
    if (processed >= records && held == 0) {
      complete.countDown();
    }
  }
}
