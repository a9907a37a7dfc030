// SPDX-License-Identifier: GPL-2.0-or-later
// A client that is made with gloox, as its examples are: accepts what is offered, and sends what it is told
// to (libraries.py).

#include "control.h"

#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>
#include <gloox/bytestreamdatahandler.h>
#include <gloox/client.h>
#include <gloox/connectionlistener.h>
#include <gloox/loghandler.h>
#include <gloox/md5.h>
#include <gloox/siprofileft.h>
#include <gloox/siprofilefthandler.h>
#include <gloox/socks5bytestreamserver.h>
#include <map>
#include <memory>
#include <poll.h>

namespace
{

constexpr int turn_us = 500;
constexpr int piece = 200000; // bytes

struct Transfer {
    QFile file;
    bool outgoing;
    qint64 size;
    gloox::Bytestream *stream; // gloox's
    bool over;
};

class Client : gloox::ConnectionListener,
               gloox::SIProfileFTHandler,
               gloox::BytestreamDataHandler,
               gloox::LogHandler
{
  public:
    // `arguments`: the program, a JID, its password, address and port of the server, the folder for
    // downloads, address and port at which it listens, and JID, address and port of a proxy, if there is one.
    explicit Client(const QStringList &arguments, int descriptor)
        : control(descriptor), downloads(arguments.value(5)),
          client(gloox::JID(arguments.value(1).toStdString()), arguments.value(2).toStdString(),
                 arguments.value(4).toInt()),
          server(client.logInstance(), arguments.value(7).toInt()), files(&client, this)
    {
        client.setServer(arguments.value(3).toStdString());
        client.setTls(gloox::TLSDisabled);
        client.registerConnectionListener(this);
        client.logInstance().registerLogHandler(gloox::LogLevelDebug, gloox::LogAreaAll, this);
        server.listen();
        files.registerSOCKS5BytestreamServer(&server);
        files.addStreamHost(client.jid(), arguments.value(6).toStdString(), arguments.value(7).toInt());
        if (!arguments.value(8).isEmpty())
            files.addStreamHost(gloox::JID(arguments.value(8).toStdString()),
                                arguments.value(9).toStdString(), arguments.value(10).toInt());
    }

    void
    run()
    {
        if (!client.connect(false))
            return;
        while (client.recv(turn_us) == gloox::ConnNoError && hear()) {
            server.recv(1);
            for (auto &[sid, transfer] : transfers)
                turn(*transfer);
        }
    }

  private:
    Control control;
    const QString downloads;
    gloox::Client client;
    gloox::SOCKS5BytestreamServer server;
    gloox::SIProfileFT files;
    std::map<std::string, std::unique_ptr<Transfer>> transfers; // by the ids of their streams

    bool
    hear()
    {
        pollfd readable = {control.descriptor, POLLIN, 0};

        if (poll(&readable, 1, 0) <= 0)
            return true;
        return control.hear([this](const QString &to, const QString &path) { send(to, path); });
    }

    void
    send(const QString &to, const QString &path)
    {
        std::unique_ptr<Transfer> transfer(
            new Transfer{{path}, true, QFileInfo(path).size(), nullptr, false});
        gloox::MD5 hash;

        transfer->file.open(QIODevice::ReadOnly);
        hash.feed(transfer->file.readAll().toStdString());
        hash.finalize();
        transfer->file.seek(0);
        transfers[files.requestFT(gloox::JID(to.toStdString()), QFileInfo(path).fileName().toStdString(),
                                  transfer->size, hash.hex())] = std::move(transfer);
    }

    void
    end(Transfer &transfer, const char *why)
    {
        if (transfer.over)
            return;
        transfer.over = true;
        transfer.file.close();
        if (why == nullptr)
            control.tell({{"event", "completed"}});
        else
            control.tell({{"event", "failed"}, {"why", why}});
    }

    void
    turn(Transfer &transfer)
    {
        if (transfer.stream == nullptr || transfer.over)
            return;
        transfer.stream->recv(1);
        if (!transfer.outgoing || transfer.over || !transfer.stream->isOpen())
            return;
        const std::string data = transfer.file.read(piece).toStdString();
        if (data.empty())
            transfer.stream->close();
        else if (!transfer.stream->send(data))
            end(transfer, "it could not be sent");
    }

    void
    handleFTRequest(const gloox::JID &from, const gloox::JID &, const std::string &sid,
                    const std::string &name, long size, const std::string &, const std::string &,
                    const std::string &, const std::string &, int types) override
    {
        std::unique_ptr<Transfer> transfer(
            new Transfer{{downloads + '/' + QString::fromStdString(name)}, false, size, nullptr, false});

        transfer->file.open(QIODevice::WriteOnly);
        transfers[sid] = std::move(transfer);
        files.acceptFT(from, sid,
                       (types & gloox::SIProfileFT::FTTypeS5B) != 0 ? gloox::SIProfileFT::FTTypeS5B
                                                                    : gloox::SIProfileFT::FTTypeIBB);
    }

    void
    handleFTRequestError(const gloox::IQ &, const std::string &sid) override
    {
        if (transfers.count(sid) != 0)
            end(*transfers[sid], "an error");
    }

    void
    handleFTBytestream(gloox::Bytestream *stream) override
    {
        Transfer &transfer = *transfers.at(stream->sid());

        transfer.stream = stream;
        stream->registerBytestreamDataHandler(this);
        stream->connect();
    }

    void
    handleBytestreamData(gloox::Bytestream *stream, const std::string &data) override
    {
        transfers.at(stream->sid())->file.write(data.data(), qint64(data.size()));
    }

    void
    handleBytestreamClose(gloox::Bytestream *stream) override
    {
        Transfer &transfer = *transfers.at(stream->sid());

        end(transfer, transfer.file.pos() == transfer.size ? nullptr : "it was closed too early");
    }

    void
    handleBytestreamError(gloox::Bytestream *stream, const gloox::IQ &) override
    {
        end(*transfers.at(stream->sid()), "an error");
    }

    void
    handleBytestreamOpen(gloox::Bytestream *) override
    {
    }

    const std::string
    handleOOBRequestResult(const gloox::JID &, const gloox::JID &, const std::string &) override
    {
        return {};
    }

    void
    onConnect() override
    {
        control.tell({{"event", "online"}});
    }

    void
    onDisconnect(gloox::ConnectionError) override
    {
    }

    bool
    onTLSConnect(const gloox::CertInfo &) override
    {
        return true;
    }

    void
    handleLog(gloox::LogLevel, gloox::LogArea, const std::string &message) override
    {
        puts(message.c_str());
        fflush(stdout);
    }
};

} // namespace

int
main(int argc, char **argv)
{
    const QCoreApplication program(argc, argv);

    Client(QCoreApplication::arguments(), qEnvironmentVariableIntValue("BS_CONTROL")).run();
    return 0;
}
