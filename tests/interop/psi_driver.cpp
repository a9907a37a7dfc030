// SPDX-License-Identifier: GPL-2.0-or-later
// Is preloaded into Psi, and does in its windows what a user does: sends files, and accepts what is offered.
// (psi.py)

#include "control.h"

#include <QApplication>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QLineEdit>
#include <QListWidget>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QSocketNotifier>
#include <QTimer>
#include <QToolButton>
#include <QTreeView>

namespace
{

constexpr int turn_ms = 25;

QString
name_in(const QWidget *dialog)
{
    return QFileInfo(dialog->findChild<QLineEdit *>("le_fname")->text()).fileName();
}

class Driver
{
  public:
    explicit Driver(int control) : control(control), notifier(control, QSocketNotifier::Read)
    {
        QObject::connect(&notifier, &QSocketNotifier::activated, [this] { hear(); });
        QObject::connect(&timer, &QTimer::timeout, [this] { look(); });
        timer.start(turn_ms);
        tell({{"event", "ready"}, {"version", QCoreApplication::applicationVersion()}});
    }

  private:
    Control control;
    QSocketNotifier notifier;
    QTimer timer;
    QList<QPair<QString, QString>> to_send; // each until the contact is there
    int failed = 0;                         // of those in the list of transfers that have ended

    void
    tell(const QJsonObject &event) const
    {
        control.tell(event);
    }

    void
    hear()
    {
        if (control.hear([this](const QString &to, const QString &path) { to_send.append({to, path}); }))
            return;
        notifier.setEnabled(false);
        QCoreApplication::quit();
    }

    // Onto the contact; what is dropped there is sent without a question. FALSE if the contact is not there
    // (yet).
    static bool
    drop(QTreeView *contacts, const QString &who, const QMimeData *file)
    {
        const QAbstractItemModel *model = contacts->model();
        const QModelIndexList all = model->match(model->index(0, 0), Qt::ToolTipRole, who.section('/', 0, 0),
                                                 1, Qt::MatchContains | Qt::MatchRecursive);

        if (all.isEmpty())
            return false;
        contacts->expandAll();
        contacts->scrollTo(all.first());
        const QPoint place = contacts->visualRect(all.first()).center();
        QDragEnterEvent enter(place, Qt::CopyAction, file, Qt::LeftButton, Qt::NoModifier);
        QDropEvent drop(place, Qt::CopyAction, file, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(contacts->viewport(), &enter);
        return enter.isAccepted() && QApplication::sendEvent(contacts->viewport(), &drop);
    }

    void
    send(QWidget *window)
    {
        QMimeData file;

        if (to_send.isEmpty())
            return;
        file.setUrls({QUrl::fromLocalFile(to_send.first().second)});
        for (QTreeView *contacts : window->findChildren<QTreeView *>())
            if (contacts->isVisible() && drop(contacts, to_send.first().first, &file)) {
                to_send.removeFirst();
                return;
            }
    }

    void
    look()
    {
        for (QWidget *window : QApplication::topLevelWidgets()) {
            if (!window->isVisible())
                continue;
            if (auto *box = qobject_cast<QMessageBox *>(window))
                read_message(box);
            else if (auto *files = qobject_cast<QFileDialog *>(window))
                choose(files);
            else if (window->inherits("FileRequestDlg"))
                answer(window);
            else if (window->inherits("FileTransDlg"))
                look_for_ends(window);
            else if (window->inherits("MainWin"))
                send(window);
        }
    }

    static bool
    first_time(QWidget *window)
    {
        const bool first = !window->property("bytestreams-seen").toBool();

        window->setProperty("bytestreams-seen", true);
        return first;
    }

    // Where to save it: what is proposed is right.
    static void
    choose(QFileDialog *dialog)
    {
        if (first_time(dialog))
            QMetaObject::invokeMethod(dialog, "accept", Qt::QueuedConnection);
    }

    void
    answer(QWidget *dialog)
    {
        if (dialog->findChild<QToolButton *>("tb_browse")->isVisible() || !first_time(dialog))
            return;
        tell({{"event", "offered"}, {"name", name_in(dialog)}});
        // Queued, as this starts an event loop of its own.
        QMetaObject::invokeMethod(dialog->findChild<QPushButton *>("pb_start"), "click",
                                  Qt::QueuedConnection);
    }

    void
    read_message(QMessageBox *box)
    {
        QWidget *dialog = box->parentWidget();
        QString name;

        if (!first_time(box))
            return;
        if (dialog != nullptr && dialog->inherits("FileRequestDlg"))
            name = name_in(dialog);
        else if (dialog != nullptr && dialog->inherits("FileTransDlg"))
            failed++;
        tell({{"event", "failed"}, {"name", name}, {"why", box->text().simplified()}});
        QMetaObject::invokeMethod(box, "accept", Qt::QueuedConnection);
    }

    // The list of transfers tells of one that it has ended by removing it when it shall be cleared.
    void
    look_for_ends(QWidget *dialog)
    {
        auto *list = dialog->findChild<QListWidget *>();
        const int before = list->count();

        if (before == 0 || QApplication::activeModalWidget() != nullptr)
            return;
        QMetaObject::invokeMethod(dialog, "clearFinished");
        for (int ended = before - list->count(); ended > 0; ended--) {
            if (failed > 0)
                failed--;
            else
                tell({{"event", "completed"}});
        }
    }
};

void
begin()
{
    bool given = false;
    const int control = qEnvironmentVariableIntValue("BS_PSI_CONTROL", &given);

    qunsetenv("LD_PRELOAD");
    if (given)
        new Driver(control);
}

} // namespace

Q_COREAPP_STARTUP_FUNCTION(begin)
