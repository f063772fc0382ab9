// Readers that take no lock, and what may not be freed under them.
//
// A reader raises a counter of its own cache line, works, and lowers it. What was taken out of
// sight (a replaced index, a segment that is gone) is freed once every reader that could have seen
// it has ended: both counters of every line were seen at zero after it left, each while new readers
// used the other one.
#ifndef LARDER_STORE_PACK_READ_EPOCHS_H_
#define LARDER_STORE_PACK_READ_EPOCHS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace larder::pack_store {

class ReadEpochs {
  struct alignas(64) Line {
    std::array<std::atomic<std::uint64_t>, 2> readers = {};
  };

 public:
  class Guard {
   public:
    explicit Guard(std::atomic<std::uint64_t>& readers) noexcept : readers_(&readers) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { readers_->fetch_sub(1, std::memory_order_release); }

   private:
    friend class ReadEpochs;
    std::atomic<std::uint64_t>* readers_;
  };

  // What the reader loads afterwards (with seq_cst) stays alive until the guard goes.
  Guard enter() noexcept { return Guard(raise()); }

  // Lets go of the guard, frees what can be freed then, and takes it again: what was loaded under
  // it may be gone.
  void renew(Guard& guard) noexcept;

  // Frees at its end what a guard that was taken after it, and ended before, had kept. Costs a load
  // where there is nothing.
  class Collector {
   public:
    explicit Collector(ReadEpochs& epochs) noexcept : epochs_(epochs) {}
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;
    ~Collector() { epochs_.collect_soon(); }

   private:
    ReadEpochs& epochs_;
  };

  // Takes charge of something that no new reader can find any more. Frees what nobody can see.
  void retire(std::shared_ptr<const void> object) noexcept;

  // Frees what can be freed now; whether anything was.
  bool collect();

  // The same, where anything waits, and nobody else is at it.
  void collect_soon() noexcept;

  // How much was retired and is not freed yet.
  std::size_t waiting();

 private:
  struct Retired {
    std::shared_ptr<const void> object;
    std::uint64_t epoch = 0;
  };

  static constexpr std::size_t line_count = 32;

  std::atomic<std::uint64_t>& raise() noexcept {
    Line& line = lines_[line_of_this_thread()];
    auto& readers = line.readers[epoch_.load(std::memory_order_relaxed) & 1];
    readers.fetch_add(1, std::memory_order_seq_cst);
    return readers;
  }

  static std::size_t line_of_this_thread() noexcept;
  bool drained(std::uint64_t parity) const noexcept;
  std::vector<Retired> take_free();

  std::array<Line, line_count> lines_;
  std::atomic<std::uint64_t> epoch_ = 0;
  std::mutex mutex_;
  std::vector<Retired> retired_;  // guarded by mutex_
  std::atomic<bool> has_retired_ = false;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_READ_EPOCHS_H_
