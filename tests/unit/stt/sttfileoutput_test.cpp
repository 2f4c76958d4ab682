// Files: valid after each result, in order, and whole again when a full disk has room.
#include <fcntl.h>
#include <glib/gstdio.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "livekit/jsonreader.h"
#include "livekit/utf8.h"
#include "outputs/output.h"
#include "unit/livekit/hostilenames.h"

namespace stt {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

class SttFileOutput : public ::testing::Test {
 protected:
  void SetUp() override {
    gchar* folder = g_dir_make_tmp("sttfileoutput-XXXXXX", nullptr);
    folder_ = folder;
    g_free(folder);
  }
  void TearDown() override {
    for (const char* name : {"a.vtt", "a.srt", "a.txt", "a.jsonl", "full.vtt", "full.txt"}) {
      g_unlink(path(name).c_str());
    }
    g_rmdir(folder_.c_str());
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string content(const std::string& name) const {
    std::ifstream file(path(name));
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  std::unique_ptr<Output> open(const std::string& name, bool append = false,
                               bool partials = false) {
    auto output = open_file_output(path(name), {append, partials}, error_);
    if (output) output->begin();
    if (output) output->retry(error_);
    return output;
  }
  static Transcript said(const std::string& utterance, int second, const std::string& text,
                         bool is_final = true) {
    Transcript t;
    t.is_final = is_final;
    t.utterance = utterance;
    t.speaker.name = "A";
    t.text = text;
    t.start_ns = second * kSecondNs;
    t.end_ns = (second + 1) * kSecondNs;
    return t;
  }

  std::string folder_;
  std::string error_;
};

TEST_F(SttFileOutput, VttIsValidFromTheStart) {
  auto output = open("a.vtt");
  ASSERT_TRUE(output) << error_;
  EXPECT_EQ(content("a.vtt"), "WEBVTT\n\n");
}

TEST_F(SttFileOutput, WhatWasThereStaysUntilThePipelinePlays) {
  for (const char* name : {"a.vtt", "a.jsonl", "a.txt"}) {
    std::ofstream(path(name)) << "of yesterday";
    auto output = open_file_output(path(name), {}, error_);
    ASSERT_TRUE(output) << error_;
    EXPECT_TRUE(output->retry(error_));
    output.reset();
    EXPECT_EQ(content(name), "of yesterday");
    output = open_file_output(path(name), {}, error_);
    EXPECT_TRUE(output->finish(error_));
    EXPECT_EQ(content(name), "of yesterday");
    output->begin();
    EXPECT_TRUE(output->finish(error_));
    EXPECT_EQ(content(name), std::string(name) == "a.vtt" ? "WEBVTT\n\n" : "");
  }
}

TEST_F(SttFileOutput, LateCueIsPutInItsPlace) {
  auto output = open("a.vtt");
  ASSERT_TRUE(output->write(said("u1", 1, "one"), error_));
  ASSERT_TRUE(output->write(said("u3", 5, "three"), error_));
  ASSERT_TRUE(output->write(said("u2", 3, "two"), error_));
  EXPECT_EQ(content("a.vtt"),
            "WEBVTT\n\n"
            "u1\n00:00:01.000 --> 00:00:02.000\n<v A>one</v>\n\n"
            "u2\n00:00:03.000 --> 00:00:04.000\n<v A>two</v>\n\n"
            "u3\n00:00:05.000 --> 00:00:06.000\n<v A>three</v>\n\n");
}

TEST_F(SttFileOutput, SrtIsRenumberedWhenACueIsPutIn) {
  auto output = open("a.srt");
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(output->write(said("u", 10 + i, "x"), error_));
  ASSERT_TRUE(output->write(said("u", 1, "first"), error_));
  const std::string srt = content("a.srt");
  EXPECT_EQ(srt.find("1\n00:00:01,000 --> 00:00:02,000\nA: first\n\n2\n00:00:10,000"), 0u);
  EXPECT_NE(srt.find("\n\n10\n00:00:18,000 --> 00:00:19,000\nA: x\n\n"), std::string::npos);
}

TEST_F(SttFileOutput, ManyCuesStayInOrderAndMemoryIsBounded) {
  auto output = open("a.srt");
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(output->write(said("u", i, "x"), error_));
  ASSERT_TRUE(output->write(said("u", 2998, "tied"), error_));
  ASSERT_TRUE(output->write(said("u", 0, "too late to sort"), error_));  // the first one kept
  const std::string srt = content("a.srt");
  int64_t expected = 1;
  std::stringstream lines(srt);
  std::string line;
  std::string previous;
  while (std::getline(lines, line)) {
    if (line.find(" --> ") != std::string::npos) {
      EXPECT_EQ(previous, std::to_string(expected++));
    }
    previous = line;
  }
  EXPECT_EQ(expected, 3003);
}

TEST_F(SttFileOutput, HostileNamesKeepEveryFormatWhole) {
  const std::vector<std::string>& names = livekit::hostile_names();
  for (const char* name : {"a.vtt", "a.srt", "a.txt", "a.jsonl"}) {
    std::string error;
    auto output = open_file_output(path(name), {}, error);
    ASSERT_TRUE(output) << error;
    for (size_t i = 0; i < names.size(); ++i) {
      Transcript transcript;
      transcript.is_final = true;
      transcript.utterance = "u" + std::to_string(i + 1);
      transcript.speaker = {names[i], names[i], names[i]};
      transcript.room = names[i];
      transcript.text = "said by " + names[i];
      transcript.start_ns = int64_t(i) * 1'000'000'000;
      transcript.end_ns = transcript.start_ns + 500'000'000;
      EXPECT_TRUE(output->write(transcript, error)) << error;
    }
  }
  const auto lines_of = [this](const char* name) {
    std::vector<std::string> lines;
    std::stringstream all(content(name));
    for (std::string line; std::getline(all, line);) lines.push_back(line);
    return lines;
  };
  for (const char* name : {"a.vtt", "a.srt", "a.txt"}) {
    for (const std::string& line : lines_of(name)) {
      EXPECT_TRUE(line.empty() || livekit::is_printable_utf8(line)) << line;
      for (const char* turn : {"\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\xab"}) {
        EXPECT_EQ(line.find(turn), std::string::npos) << line;
      }
    }
  }
  // Cues: an id, times, one line, an empty line, and nothing else.
  const std::vector<std::string> vtt = lines_of("a.vtt");
  ASSERT_EQ(vtt.size(), 2 + 4 * names.size());
  const std::vector<std::string> srt = lines_of("a.srt");
  ASSERT_EQ(srt.size(), 4 * names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(vtt[2 + 4 * i], "u" + std::to_string(i + 1));
    EXPECT_NE(vtt[3 + 4 * i].find(".000 --> 00:"), std::string::npos) << vtt[3 + 4 * i];
    const std::string& cue = vtt[4 + 4 * i];
    EXPECT_EQ(cue.find("-->"), std::string::npos) << cue;
    if (cue.starts_with("<v ")) {
      EXPECT_EQ(std::count(cue.begin(), cue.end(), '<'), 2) << cue;
      EXPECT_TRUE(cue.ends_with("</v>")) << cue;
    }
    EXPECT_EQ(vtt[5 + 4 * i], "");
    EXPECT_EQ(srt[4 * i], std::to_string(i + 1));
    EXPECT_NE(srt[1 + 4 * i].find(",000 --> 00:"), std::string::npos) << srt[1 + 4 * i];
    EXPECT_EQ(srt[2 + 4 * i].find("-->"), std::string::npos) << srt[2 + 4 * i];
    EXPECT_EQ(srt[3 + 4 * i], "");
  }
  EXPECT_EQ(lines_of("a.txt").size(), names.size());
  const std::vector<std::string> jsonl = lines_of("a.jsonl");
  ASSERT_EQ(jsonl.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const livekit::JsonText json(jsonl[i]);
    ASSERT_TRUE(json.object()) << jsonl[i];
    EXPECT_EQ(livekit::json_text(json.object(), "identity"), names[i]) << "as it is";
    EXPECT_EQ(livekit::json_text(json.object(), "room"), names[i]);
  }
}

TEST_F(SttFileOutput, PartialsAndEmptyFinalsAreNotWritten) {
  for (const char* name : {"a.vtt", "a.srt", "a.txt", "a.jsonl"}) {
    auto output = open(name);
    const std::string before = content(name);
    EXPECT_TRUE(output->write(said("u1", 1, "one", false), error_));
    EXPECT_TRUE(output->write(said("u1", 1, ""), error_));
    EXPECT_EQ(content(name), before) << name;
  }
}

TEST_F(SttFileOutput, JsonlTakesPartialsWhenAsked) {
  auto output = open("a.jsonl", false, true);
  output->write(said("u1", 1, "on", false), error_);
  output->write(said("u1", 1, ""), error_);
  const std::string lines = content("a.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  EXPECT_EQ(lines.find("{\"type\":\"partial\""), 0u);
}

TEST_F(SttFileOutput, ReplacesOrAppends) {
  open("a.txt")->write(said("u1", 1, "one"), error_);
  open("a.txt", true)->write(said("u1", 1, "two"), error_);
  EXPECT_EQ(content("a.txt"), "[00:00:01] A: one\n[00:00:01] A: two\n");
  open("a.txt")->write(said("u1", 1, "three"), error_);
  EXPECT_EQ(content("a.txt"), "[00:00:01] A: three\n");
}

TEST_F(SttFileOutput, AppendedCuesGoOnCounting) {
  open("a.srt")->write(said("u1", 5, "one"), error_);
  open("a.srt", true)->write(said("u1", 1, "two"), error_);
  EXPECT_EQ(content("a.srt"),
            "1\n00:00:05,000 --> 00:00:06,000\nA: one\n\n"
            "2\n00:00:01,000 --> 00:00:02,000\nA: two\n\n");
  open("a.vtt")->write(said("u1", 5, "one"), error_);
  open("a.vtt", true)->write(said("u1", 1, "two"), error_);
  EXPECT_EQ(content("a.vtt"),
            "WEBVTT\n\nu1\n00:00:05.000 --> 00:00:06.000\n<v A>one</v>\n\n"
            "u1\n00:00:01.000 --> 00:00:02.000\n<v A>two</v>\n\n");
}

TEST_F(SttFileOutput, SaysWhyItCannotOpen) {
  EXPECT_FALSE(open_file_output("/nowhere/at/all.vtt", {}, error_));
  EXPECT_EQ(error_, g_strerror(ENOENT));
  EXPECT_FALSE(open_file_output(path("a.doc"), {}, error_));
  EXPECT_NE(error_.find(".vtt"), std::string::npos);
  EXPECT_FALSE(g_file_test(path("a.doc").c_str(), G_FILE_TEST_EXISTS));
}

TEST_F(SttFileOutput, FullDeviceIsReportedAndKept) {
  for (const char* name : {"full.vtt", "full.txt"}) {
    ASSERT_EQ(symlink("/dev/full", path(name).c_str()), 0);
    auto output = open_file_output(path(name), {}, error_);
    ASSERT_TRUE(output);
    EXPECT_FALSE(output->write(said("u1", 1, "one"), error_));
    EXPECT_EQ(error_, g_strerror(ENOSPC));
    EXPECT_FALSE(output->retry(error_));
    EXPECT_EQ(output->lost(), 0u);
  }
}

// The file size limit of the process stands in for a disk that fills up within a write.
class WithSizeLimit {
 public:
  explicit WithSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~WithSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_ = {};
};

TEST_F(SttFileOutput, CuesStayWholeWhileTheDiskIsFullAndComeLater) {
  auto output = open("a.vtt");
  output->write(said("u1", 1, "one"), error_);
  output->write(said("u3", 5, "three"), error_);
  const std::string before = content("a.vtt");
  {
    const WithSizeLimit limit(before.size() + 5);
    EXPECT_FALSE(output->write(said("u4", 7, "four"), error_));
    EXPECT_EQ(content("a.vtt"), before);
    EXPECT_FALSE(output->write(said("u2", 3, "two"), error_));
    EXPECT_EQ(content("a.vtt"), before);
  }
  EXPECT_TRUE(output->retry(error_));
  EXPECT_EQ(content("a.vtt"),
            "WEBVTT\n\n"
            "u1\n00:00:01.000 --> 00:00:02.000\n<v A>one</v>\n\n"
            "u2\n00:00:03.000 --> 00:00:04.000\n<v A>two</v>\n\n"
            "u3\n00:00:05.000 --> 00:00:06.000\n<v A>three</v>\n\n"
            "u4\n00:00:07.000 --> 00:00:08.000\n<v A>four</v>\n\n");
}

TEST_F(SttFileOutput, LinesStayWholeWhileTheDiskIsFullAndComeLater) {
  auto output = open("a.txt");
  output->write(said("u1", 1, "one"), error_);
  {
    const WithSizeLimit limit(25);
    EXPECT_FALSE(output->write(said("u2", 2, "two"), error_));
    EXPECT_FALSE(output->write(said("u3", 3, "three"), error_));
    EXPECT_EQ(content("a.txt"), "[00:00:01] A: one\n");
  }
  EXPECT_TRUE(output->write(said("u4", 4, "four"), error_));
  EXPECT_EQ(content("a.txt"),
            "[00:00:01] A: one\n[00:00:02] A: two\n[00:00:03] A: three\n[00:00:04] A: four\n");
}

TEST_F(SttFileOutput, StreamWritesCaptionsOrJsonToAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::atomic<bool> stopping = false;
  auto text = open_stream_output(ends[1], "pipe", false, {}, stopping);
  EXPECT_TRUE(text->write(said("u1", 1, "on", false), error_));
  EXPECT_TRUE(text->write(said("u1", 1, "one"), error_));
  auto json = open_stream_output(ends[1], "pipe", true, {}, stopping);
  EXPECT_TRUE(json->write(said("u2", 1, "two"), error_));
  close(ends[1]);
  char buffer[4096];
  const ssize_t count = read(ends[0], buffer, sizeof buffer);
  close(ends[0]);
  ASSERT_GT(count, 0);
  const std::string out(buffer, size_t(count));
  EXPECT_EQ(out.find("A: one\n{\"type\":\"final\",\"utterance\":\"u2\""), 0u) << out;
}

TEST_F(SttFileOutput, StreamThatNobodyReadsDoesNotHoldUpTheEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  const std::atomic<bool> stopping = true;
  auto text = open_stream_output(ends[1], "pipe", false, {}, stopping);
  EXPECT_FALSE(text->write(said("u1", 1, std::string(20000, 'x')), error_));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SttFileOutput, ReaderThatPausesIsLeftBehindAndGetsAllOfItLater) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const std::atomic<bool> stopping = false;
  auto text = open_stream_output(ends[1], "pipe", false, {}, stopping);
  const std::string first(20000, 'x');
  EXPECT_FALSE(text->write(said("u1", 1, first), error_));
  EXPECT_FALSE(text->write(said("u2", 2, "two"), error_));
  EXPECT_EQ(error_, "");  // slow is no failure

  std::string out;
  bool done = false;
  for (int round = 0; round < 100 && !done; ++round) {
    char buffer[4096];
    const ssize_t count = read(ends[0], buffer, sizeof buffer);
    if (count > 0) out.append(buffer, size_t(count));
    done = text->retry(error_);
  }
  EXPECT_TRUE(done);
  for (char buffer[4096];;) {
    const ssize_t count = read(ends[0], buffer, sizeof buffer);
    if (count <= 0) break;
    out.append(buffer, size_t(count));
  }
  EXPECT_EQ(out, "A: " + first + "\nA: two\n");
  EXPECT_EQ(text->lost(), 0u);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace stt
