// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitrtmp/amf0.h"

#include <gtest/gtest.h>

namespace rtmp::amf0 {
namespace {

using Bytes = std::vector<uint8_t>;

TEST(Amf0, ReadsWhatTheSpecificationShows) {
  const Bytes bytes = {0x00, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18,  // pi
                       0x01, 0x01,                                            // true
                       0x02, 0x00, 0x03, 'a',  'b',  'c',                     // "abc"
                       0x05, 0x06};                                           // null, undefined
  Reader reader(bytes);
  EXPECT_NEAR(reader.next()->number, 3.14159265, 1e-8);
  EXPECT_EQ(reader.next()->number, 1);
  EXPECT_EQ(reader.next()->text, "abc");
  EXPECT_EQ(reader.next()->type, Value::Type::kNull);
  EXPECT_EQ(reader.next()->type, Value::Type::kNull);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.failed());
  EXPECT_EQ(reader.position(), bytes.size());
}

TEST(Amf0, WhatIsWrittenIsRead) {
  Writer writer;
  writer.text("connect").number(-1.5).boolean(true).null();
  writer.begin_object().key("app").text("live").key("inner").begin_object().key("n").number(7);
  writer.end_object().end_object().text("after");
  Reader reader(writer.bytes());
  EXPECT_EQ(reader.next()->as_text(), "connect");
  EXPECT_EQ(reader.next()->number, -1.5);
  EXPECT_EQ(reader.next()->type, Value::Type::kBoolean);
  EXPECT_EQ(reader.next()->type, Value::Type::kNull);
  const auto object = reader.next();
  ASSERT_TRUE(object);
  EXPECT_EQ(object->find("app")->as_text(), "live");
  EXPECT_EQ(object->find("inner")->find("n")->number, 7);
  EXPECT_EQ(object->find("other"), nullptr);
  EXPECT_EQ(reader.next()->as_text(), "after");
}

TEST(Amf0, ArraysDatesLongTextsAndTypedObjects) {
  const Bytes bytes = {
      0x08, 0xff, 0xff, 0xff, 0xff, 0,    1,    'w',  0x01, 0, 0,   0, 9,  // wrong count
      0x0a, 0,    0,    0,    2,    0x05, 0x01, 1,                         // [null, true]
      0x0b, 0,    0,    0,    0,    0,    0,    0,    0,    0, 0,          // a date
      0x0c, 0,    0,    0,    2,    'h',  'i',  0x10, 0,    1, 'C', 0, 0, 9, 0x07, 0, 1};
  Reader reader(bytes);
  const auto ecma = reader.next();
  ASSERT_TRUE(ecma && ecma->find("w"));
  EXPECT_EQ(ecma->find("w")->number, 0);
  EXPECT_EQ(reader.next()->members.size(), 2u);
  EXPECT_EQ(reader.next()->number, 0);
  EXPECT_EQ(reader.next()->text, "hi");
  EXPECT_EQ(reader.next()->type, Value::Type::kObject);
  EXPECT_TRUE(reader.next());
  EXPECT_FALSE(reader.failed());
}

TEST(Amf0, EveryTruncationFails) {
  Writer writer;
  writer.begin_object().key("app").text("live").key("n").number(1).end_object();
  for (size_t size = 1; size < writer.bytes().size(); ++size) {
    Reader reader(std::span(writer.bytes()).first(size));
    EXPECT_FALSE(reader.next()) << size;
    EXPECT_TRUE(reader.failed()) << size;
  }
}

TEST(Amf0, NestingWithoutEndFails) {
  Bytes bytes;
  for (int i = 0; i < 100000; ++i) bytes.insert(bytes.end(), {0x03, 0, 1, 'a'});
  Reader reader(bytes);
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.failed());
}

TEST(Amf0, ACountThatLiesCostsNothing) {
  Bytes bytes = {0x0a, 0xff, 0xff, 0xff, 0xff};
  bytes.insert(bytes.end(), 60000, 0x05);
  Reader reader(bytes);
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.failed());
  EXPECT_LE(reader.position(), 5 + kMaxValues);
}

TEST(Amf0, UnknownMarkersFail) {
  for (const uint8_t marker : {0x04, 0x0e, 0x11, 0xff}) {
    const Bytes bytes = {marker, 0, 0, 0, 0};
    Reader reader(bytes);
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.failed());
  }
}

}  // namespace
}  // namespace rtmp::amf0
