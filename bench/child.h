// Work in processes of its own: what a fresh process sees, several processes at once, and what may
// kill the process it is tried in.
#ifndef LARDER_BENCH_CHILD_H_
#define LARDER_BENCH_CHILD_H_

#include <cstdint>
#include <functional>
#include <vector>

namespace larder::bench {

using Figures = std::vector<double>;

// Figures of several operations in one list: each as its count, then its samples.
void append(Figures& figures, const Figures& samples);
Figures take(Figures::const_iterator& next);

// What to do once everybody is ready.
using Work = std::function<Figures()>;

// Starts `count` processes, lets each prepare, then all work at once; returns what each one's work
// returned. Throws when one of them failed; it has said why on standard error. To be called while
// no store is open: their threads and locks do not survive a fork.
std::vector<Figures> in_children(int count, const std::function<Work(int index)>& prepare);

// One process.
Figures in_child(const Work& work);

enum class ChildEnd { exited, crashed, hung };

struct ChildStatus {
  ChildEnd end = ChildEnd::exited;
  int exit_code = 0;
};

// Runs `body` in a process that may crash or hang; its return value is the exit code.
ChildStatus guarded(const std::function<int()>& body, unsigned seconds);

// Runs `body` in a process of its own and returns its exit code; 1 when it was killed, or threw,
// which is then told on standard error.
int apart(const std::function<int()>& body);

// The same; an interrupt ends that process and those that it started, but not this one.
int interruptible(const std::function<int()>& body);

// Memory of this process that no file stands behind.
std::uint64_t private_bytes();

}  // namespace larder::bench

#endif  // LARDER_BENCH_CHILD_H_
