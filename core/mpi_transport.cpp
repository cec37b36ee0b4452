#include "core/mpi_transport.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/error.hpp"

#ifdef INTANDEM_MPI
#include <mpi.h>
#endif

namespace intandem {

bool is_launched_by_mpi() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  if (tasks != nullptr && std::atoi(tasks) > 1) {
    throw Error("srun",
                "has started " + std::string(tasks) + " processes that cannot find each other",
                "use srun --mpi=pmix, or mpirun", ExitCode::usage);
  }
  return false;
}

#ifdef INTANDEM_MPI

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMessageTag = 1, kBeatTag = 2;
constexpr auto kBeatEvery = std::chrono::seconds(2);
constexpr auto kLookEvery = std::chrono::milliseconds(100);
/// MPI counts bytes in int.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;
/// Polls before a waiting process sleeps between them; and how long it then sleeps.
constexpr int kEagerPolls = 2000;
constexpr useconds_t kSleep_us = 20;

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error("MPI", std::string(what) + ": " + std::string(text, static_cast<std::size_t>(length)),
              "see the launcher's messages; go on with --resume");
}

class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(double silence_seconds)
      : silence_(std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(silence_seconds))) {
    int provided = MPI_THREAD_SINGLE;
    // One thread at a time: this one now and at the end, the communicating one in between.
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "start");
    if (provided < MPI_THREAD_SERIALIZED) {
      throw Error("MPI", "cannot be used from threads", "build it with support for threads");
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &index_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    gather_names();
    for (int p = 0; p < size_; ++p) {
      if (p != index_ && (p == 0 || index_ == 0)) peers_.push_back({p});
    }
    for (Peer& peer : peers_) listen(peer);
  }

  ~MpiTransport() override {
    for (Peer& peer : peers_) {
      for (MPI_Request* request : {&peer.listening, &peer.telling}) {
        if (*request == MPI_REQUEST_NULL) continue;
        MPI_Cancel(request);
        MPI_Request_free(request);
      }
    }
    MPI_Finalize();
  }

  int index() const override { return index_; }
  int size() const override { return size_; }

  void exchange(const std::vector<Message>& sends, const std::vector<Message>& receives) override {
    std::vector<MPI_Request> requests;
    for (const Message& message : receives) start(message, false, requests);
    for (const Message& message : sends) start(message, true, requests);
    for (int polls = 0;; ++polls) {
      int done = 0;
      check(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                        MPI_STATUSES_IGNORE),
            "exchange");
      if (done != 0) return;
      if (polls < kEagerPolls) {
        ::sched_yield();
      } else {
        ::usleep(kSleep_us);
      }
      look_around();
    }
  }

  void idle() override { look_around(); }

 private:
  /// A process that is listened to, and told that this one lives.
  struct Peer {
    int process = 0;
    MPI_Request listening = MPI_REQUEST_NULL, telling = MPI_REQUEST_NULL;
    char heard = 0;
    Clock::time_point last_heard = Clock::now();
  };

  void gather_names() {
    constexpr int kLength = 128;
    char mine[kLength] = {};
    char host[64] = {};
    ::gethostname(host, sizeof host - 1);
    std::snprintf(mine, sizeof mine, "rank %d (host %s, process %ld)", index_, host,
                  static_cast<long>(::getpid()));
    std::vector<char> all(static_cast<std::size_t>(kLength * size_));
    check(MPI_Allgather(mine, kLength, MPI_CHAR, all.data(), kLength, MPI_CHAR, MPI_COMM_WORLD),
          "introduction");
    for (int p = 0; p < size_; ++p) names_.emplace_back(all.data() + p * kLength);
  }

  void start(const Message& message, bool is_send, std::vector<MPI_Request>& requests) {
    for (std::size_t at = 0; at < message.size_bytes; at += kMostBytes) {
      const int count = static_cast<int>(std::min(kMostBytes, message.size_bytes - at));
      requests.push_back(MPI_REQUEST_NULL);
      check(is_send ? MPI_Isend(message.data + at, count, MPI_BYTE, message.process, kMessageTag,
                                MPI_COMM_WORLD, &requests.back())
                    : MPI_Irecv(message.data + at, count, MPI_BYTE, message.process, kMessageTag,
                                MPI_COMM_WORLD, &requests.back()),
            "exchange");
    }
  }

  void listen(Peer& peer) {
    check(MPI_Irecv(&peer.heard, 1, MPI_CHAR, peer.process, kBeatTag, MPI_COMM_WORLD,
                    &peer.listening),
          "listening");
  }

  void look_around() {
    const auto now = Clock::now();
    if (now - last_look_ < kLookEvery) return;
    // A machine that was asleep has heard of nobody and must not draw conclusions.
    const bool was_away = now - last_look_ > silence_ / 2;
    last_look_ = now;
    const bool beat = now - last_beat_ >= kBeatEvery;
    if (beat) last_beat_ = now;
    for (Peer& peer : peers_) {
      int done = 0;
      check(MPI_Test(&peer.listening, &done, MPI_STATUS_IGNORE), "listening");
      if (done != 0) listen(peer);
      if (done != 0 || was_away) peer.last_heard = now;
      if (peer.telling != MPI_REQUEST_NULL) {
        check(MPI_Test(&peer.telling, &done, MPI_STATUS_IGNORE), "telling");
      }
      if (beat && peer.telling == MPI_REQUEST_NULL) {
        static const char kAlive = 1;
        check(
            MPI_Isend(&kAlive, 1, MPI_CHAR, peer.process, kBeatTag, MPI_COMM_WORLD, &peer.telling),
            "telling");
      }
      if (now - peer.last_heard > silence_) {
        throw Error(
            names_[static_cast<std::size_t>(peer.process)],
            "has not been heard of for " +
                std::to_string(std::chrono::duration_cast<std::chrono::seconds>(silence_).count()) +
                " s: killed, stopped or cut off",
            "see to that machine, then go on with --resume");
      }
    }
  }

  int index_ = 0, size_ = 1;
  Clock::duration silence_;
  std::vector<std::string> names_;
  std::vector<Peer> peers_;
  Clock::time_point last_look_ = Clock::now(), last_beat_ = Clock::now() - kBeatEvery;
};

}  // namespace

std::unique_ptr<Transport> open_mpi(double silence_seconds) {
  return std::make_unique<MpiTransport>(silence_seconds);
}

void abort_mpi(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

std::string mpi_description() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string all(text, static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

#else

std::unique_ptr<Transport> open_mpi(double) {
  throw Error("intandem", "was started as one of several processes, but is built without MPI",
              "install libopenmpi-dev and build it again", ExitCode::usage);
}

void abort_mpi(int exit_code) { std::_Exit(exit_code); }

std::string mpi_description() { return "none"; }

#endif

}  // namespace intandem
