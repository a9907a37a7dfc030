// SPDX-License-Identifier: GPL-2.0-or-later
// A client that is made with QXmpp, as its examples are: accepts what is offered, and sends what it is told
// to (libraries.py).

#include "control.h"

#include <QCoreApplication>
#include <QMetaEnum>
#include <QSocketNotifier>
#include <QXmppClient.h>
#include <QXmppConfiguration.h>
#include <QXmppLogger.h>
#include <QXmppTransferManager.h>

namespace
{

class Client
{
  public:
    Client(const QXmppConfiguration &configuration, const QString &proxy, const QString &downloads,
           int descriptor)
        : control(descriptor), notifier(descriptor, QSocketNotifier::Read), files(new QXmppTransferManager)
    {
        client.logger()->setLoggingType(QXmppLogger::StdoutLogging);
        files->setProxy(proxy);
        client.addExtension(files);
        QObject::connect(&notifier, &QSocketNotifier::activated, [this] { hear(); });
        QObject::connect(&client, &QXmppClient::connected, [this] { control.tell({{"event", "online"}}); });
        QObject::connect(files, &QXmppTransferManager::fileReceived,
                         [this, downloads](QXmppTransferJob *job) {
                             watch(job);
                             job->accept(downloads + '/' + job->fileInfo().name());
                         });
        client.connectToServer(configuration);
    }

  private:
    Control control;
    QSocketNotifier notifier;
    QXmppClient client;
    QXmppTransferManager *const files; // the client's

    void
    hear()
    {
        if (control.hear(
                [this](const QString &to, const QString &path) { watch(files->sendFile(to, path)); }))
            return;
        notifier.setEnabled(false);
        QCoreApplication::quit();
    }

    void
    watch(QXmppTransferJob *job) const
    {
        QObject::connect(job, &QXmppTransferJob::finished, [this, job] {
            if (job->error() == QXmppTransferJob::NoError)
                control.tell({{"event", "completed"}});
            else
                control.tell(
                    {{"event", "failed"},
                     {"why", QMetaEnum::fromType<QXmppTransferJob::Error>().valueToKey(job->error())}});
            job->deleteLater();
        });
    }
};

} // namespace

// Arguments: a JID, its password, address and port of the server, the folder for downloads, and the JID of a
// proxy.
int
main(int argc, char **argv)
{
    QCoreApplication program(argc, argv);
    const QStringList arguments = QCoreApplication::arguments();
    QXmppConfiguration configuration;

    configuration.setJid(arguments.value(1));
    configuration.setPassword(arguments.value(2));
    configuration.setHost(arguments.value(3));
    configuration.setPort(arguments.value(4).toInt());
    configuration.setStreamSecurityMode(QXmppConfiguration::TLSDisabled);
    const Client client(configuration, arguments.value(6), arguments.value(5),
                        qEnvironmentVariableIntValue("BS_CONTROL"));
    return QCoreApplication::exec();
}
